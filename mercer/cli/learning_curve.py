"""Would more rows help? Scores of models fitted on fewer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from mercer.cli.contenders import Result, compete
from mercer.cli.target import Target

SIZES = (250, 1000, 4000)
ROWS = 20_000


@dataclasses.dataclass(frozen=True)
class Curve:
    """One model's headline score against the number of rows learned from.

    Parameters
    ----------
    name : str
        The model.
    sizes : list of int
    scores : list of float
        R2 or accuracy on the held-out rows.
    """

    name: str
    sizes: list[int]
    scores: list[float]


def learning_curves(
    models: dict[str, Callable[[int], Any]],
    whole: list[Result],
    target: Target,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    seed: int,
) -> list[Curve]:
    """Fit each model on 250, 1000 and 4000 rows, as far as half of the rows allow.

    Parameters
    ----------
    models : dict
        For each name, a function from the number of rows to an unfitted model.
    whole : list of Result
        The same names, fitted on all rows: the last point of each curve.
    target : Target
    train, test : pair of numpy.ndarray
        ``(X, y)``; at most ``ROWS`` test rows are used for the small fits.
    seed : int
        Of the choice of rows.

    Returns
    -------
    list of Curve
    """
    order = np.random.default_rng(seed).permutation(len(train[1]))
    test = (test[0][:ROWS], test[1][:ROWS])
    sizes = [size for size in SIZES if 2 * size <= len(order)]
    curves = []
    for result in whole:
        curve = Curve(result.name, [], [])
        for size in sizes:
            rows = order[:size]
            if target.is_classification and len(np.unique(train[1][rows])) < len(target.classes):
                continue
            some = (train[0][rows], train[1][rows])
            small = compete(result.name, models[result.name](size), target, some, test)
            curve.sizes.append(size)
            curve.scores.append(next(iter(small.scores.values())))
        curve.sizes.append(len(order))
        curve.scores.append(next(iter(result.scores.values())))
        curves.append(curve)
    return curves
