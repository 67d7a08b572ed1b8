"""Rows to learn from, rows to set the intervals by, rows to be scored on."""

from __future__ import annotations

import dataclasses

import numpy as np

from mercer.cli.bad_input import BadInput

# Below this many learning rows, none are set aside for intervals.
ENOUGH_TO_CALIBRATE = 100
CALIBRATION = 0.1


@dataclasses.dataclass(frozen=True)
class Split:
    """Three disjoint sets of row numbers that together are all rows.

    Parameters
    ----------
    train, calibration, test : numpy.ndarray of int
        Sorted; ``calibration`` is empty when there are few rows.
    """

    train: np.ndarray
    calibration: np.ndarray
    test: np.ndarray


def split_rows(y: np.ndarray, test_size: float, seed: int, *, stratify: bool) -> Split:
    """Split at random; with ``stratify``, class by class, so every class stays in ``train``.

    Parameters
    ----------
    y : numpy.ndarray, shape (n,)
        The target; ``n >= 2``.
    test_size : float
        Share of the rows to be scored on, in ``(0, 1)``.
    seed : int
        Of the shuffle.
    stratify : bool
        Whether ``y`` holds class codes.

    Returns
    -------
    Split

    Examples
    --------
    >>> split = split_rows(np.arange(10), 0.2, seed=0, stratify=False)
    >>> len(split.train), len(split.calibration), len(split.test)
    (8, 0, 2)
    """
    if not 0 < test_size < 1:
        raise BadInput(f"--test-size must be between 0 and 1, got {test_size:g}")
    generator = np.random.default_rng(seed)
    groups = (
        [np.flatnonzero(y == code) for code in np.unique(y)] if stratify else [np.arange(len(y))]
    )
    rest, test = _share(groups, test_size, generator)
    if sum(map(len, test)) == 0:
        # Classes too small to give a row each: take the share from all rows but one of each.
        rest, test = _spare(rest, max(1, round(test_size * len(y))), generator)
    if sum(map(len, test)) == 0:
        raise BadInput(
            f"{len(y)} rows are too few to hold some out, every row is its class's only one"
        )
    if sum(map(len, rest)) < ENOUGH_TO_CALIBRATE:
        return Split(_joined(rest), np.empty(0, int), _joined(test))
    train, calibration = _share(rest, CALIBRATION, generator)
    return Split(_joined(train), _joined(calibration), _joined(test))


def _share(
    groups: list[np.ndarray], share: float, generator: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Take ``share`` of each group, but leave at least one row."""
    kept, taken = [], []
    for group in groups:
        group = generator.permutation(group)
        count = round(share * len(group)) if len(groups) > 1 else max(1, round(share * len(group)))
        count = min(count, len(group) - 1)
        kept.append(group[count:])
        taken.append(group[:count])
    return kept, taken


def _spare(
    groups: list[np.ndarray], count: int, generator: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    spare = generator.permutation(_joined([group[1:] for group in groups]))[:count]
    return [group[~np.isin(group, spare)] for group in groups], [spare]


def _joined(groups: list[np.ndarray]) -> np.ndarray:
    return np.sort(np.concatenate(groups)) if groups else np.empty(0, int)
