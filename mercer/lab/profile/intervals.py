"""Lengths of unions of intervals."""

from __future__ import annotations

from collections.abc import Iterable

Interval = tuple[float, float]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Disjoint intervals, in order, that cover the same points.

    Examples
    --------
    >>> union([(4, 6), (0, 2), (1, 3), (6, 7)])
    [(0, 3), (4, 7)]
    """
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def length(intervals: Iterable[Interval]) -> float:
    """The measure of a union.

    Examples
    --------
    >>> length([(4, 6), (0, 2), (1, 3)])
    5
    """
    return sum(end - start for start, end in union(intervals))


def length_without(intervals: Iterable[Interval], holes: Iterable[Interval]) -> float:
    """The measure of a union less another union.

    Examples
    --------
    >>> length_without([(0, 10)], [(2, 3), (8, 12)])
    7
    """
    holes = list(holes)
    return length([*intervals, *holes]) - length(holes)
