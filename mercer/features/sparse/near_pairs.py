"""Pairs of points within a radius, by hashing."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from mercer import checks
from mercer.features.base import check_points
from mercer.features.sparse.ball_carving import BallCarving, collision_probability
from mercer.linalg.random_source import random_source

# Pairs and codes held at a time, and numbers of a temporary that stays in the cache.
_BUDGET = 2**22
_CACHED = 2**17

# Earlier tables in which a pair is looked up before its distance is computed.
_LOOK_BACK = 3


def near_pairs(
    X: Tensor,
    Y: Tensor,
    radius: float,
    *,
    width: float,
    concatenations: int,
    dimension: int = 1,
    failure_probability: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Find every pair of points within a radius.

    Points that share a code in one of several independent :class:`BallCarving` tables are
    compared. A pair at the radius is missed by ``T`` tables with probability ``(1 - p)^T``, a
    nearer one with less. Tables are added until three times the number of pairs found (at least
    ``n``) times this is at most ``failure_probability``: two thirds of it for missing one of at
    most twice as many pairs, one third for having found less than half of them. ``width`` and
    ``concatenations`` decide of the time, not of the guarantee.

    Parameters
    ----------
    X, Y : Tensor, shapes (n, d) and (m, d)
        Points, one a row; float32 or float64.
    radius : float
        Positive, in the units of the points.
    width, concatenations, dimension
        Of the tables, see :class:`BallCarving`.
    failure_probability : float
        Bound, in (0, 1), on the probability that any pair is missed.
    generator : torch.Generator, optional
        Seeded with 0 by default.

    Returns
    -------
    Tensor of int64, shape (2, pairs)
        Rows of ``X`` and of ``Y``, each pair once, sorted.

    Raises
    ------
    TypeError, ValueError
        If an argument is outside of its domain, or points at the radius never collide.

    Examples
    --------
    >>> X, Y = torch.tensor([[0.0], [5.0]]), torch.tensor([[5.5], [0.1], [9.0]])
    >>> near_pairs(X, Y, 1.0, width=1.0, concatenations=1, failure_probability=0.01)
    tensor([[0, 1],
            [1, 0]])
    """
    check_points("X", X), check_points("Y", Y)
    reach = checks.positive("radius", radius)
    (n, d), m = X.shape, Y.shape[0]
    p = collision_probability(reach, width, dimension) ** concatenations
    if p < 1e-12:
        raise ValueError(f"width must be comparable to the radius {radius:g}, got {width:g}")
    generator = random_source(generator)
    found = torch.empty(0, dtype=torch.int64, device=X.device)
    done, wanted = 0, int(tables_needed(p, max(n, 1), failure_probability))
    while n and m and done < wanted:
        group = min(wanted - done, max(8, min(32, _BUDGET // (n + m))))
        tables = BallCarving(
            d, width, concatenations, group, dimension=dimension, generator=generator
        )
        of_x, of_y = tables(X), tables(Y)
        near = [
            i * m + j
            for table in range(group)
            for i, j in _candidates(of_x, of_y, table)
            for i, j in [_within(X, Y, i, j, float(reach))]
        ]
        found = torch.cat((found, *near)).unique()
        done += group
        wanted = int(tables_needed(p, max(n, found.numel()), failure_probability))
    return torch.stack((found // max(m, 1), found % max(m, 1)))


def tables_needed(p: Tensor, pairs: int, failure_probability: float) -> Tensor:
    """Tables after which ``pairs`` found pairs of collision probability ``p`` are all there are."""
    return (math.log(3 * pairs / failure_probability) / -torch.log1p(-p)).ceil().clamp(min=1)


def _candidates(of_x: Tensor, of_y: Tensor, table: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs that share a code in ``table`` and in none of the tables just before it."""
    rows, first, counts, order = _buckets(of_x[table], of_y[table])
    ends = counts.cumsum(0)
    total = int(ends[-1]) if rows.numel() else 0
    cuts = torch.arange(_BUDGET, total + _BUDGET, _BUDGET, device=ends.device)
    limits = torch.searchsorted(ends, cuts).clamp(max=rows.numel() - 1) + 1 if total else cuts[:0]
    start = 0
    for stop in limits.unique().tolist():
        some = counts[start:stop]
        before = some.cumsum(0) - some
        slot = (first[start:stop] - before).repeat_interleave(some)
        j = order[slot + torch.arange(slot.shape[0], device=slot.device)]
        i = rows[start:stop].repeat_interleave(some)
        start = stop
        for earlier in range(max(0, table - _LOOK_BACK), table):
            fresh = of_x[earlier][i] != of_y[earlier][j]
            i, j = i[fresh], j[fresh]
        yield i, j


def _buckets(of_x: Tensor, of_y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows of X that meet any of Y, and for each where those stand in an order of Y: from, many."""
    n = of_x.numel()
    codes, order = torch.cat((of_x, of_y)).sort(stable=True)  # in a bucket, X stands before Y
    new = torch.nn.functional.pad(codes[1:] != codes[:-1], (1, 1), value=True).nonzero()[:, 0]
    start, size = new[:-1], new.diff()  # [buckets]
    before = torch.nn.functional.pad((order >= n).cumsum(0), (1, 0))
    of_y_in = before[new[1:]] - before[start]
    of_x_in = size - of_y_in
    both = (of_x_in > 0) & (of_y_in > 0)
    start, of_x_in, of_y_in = start[both], of_x_in[both], of_y_in[both]
    many = of_x_in.cumsum(0) - of_x_in
    place = (start - many).repeat_interleave(of_x_in)
    place += torch.arange(place.numel(), device=place.device)
    first, counts = (v.repeat_interleave(of_x_in) for v in (start + of_x_in, of_y_in))
    return order[place], first, counts, order - n


def _within(X: Tensor, Y: Tensor, i: Tensor, j: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Those of the pairs at most ``radius`` apart."""
    step = max(1, _CACHED // max(1, X.shape[1]))
    near = [
        (X[a] - Y[b]).square_().sum(1) <= radius**2 for a, b in zip(i.split(step), j.split(step))
    ]
    keep = torch.cat(near)
    return i[keep], j[keep]
