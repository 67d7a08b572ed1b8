"""What drove the predictions: how much worse they get when one column is shuffled."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import metrics

from mercer.cli.contenders import outputs
from mercer.cli.features import Features
from mercer.cli.target import Target

ROWS = 2000


def importance(
    estimator: Any,
    features: Features,
    target: Target,
    X: np.ndarray,
    y: np.ndarray,
    *,
    seed: int,
    repeats: int = 2,
) -> dict[str, float]:
    """Permutation importance of each column of the table, on rows held out.

    A column's features are shuffled together, so a column counts once however many features it has.

    Parameters
    ----------
    estimator : object
        Fitted.
    features : Features
        Says which features belong to which column.
    target : Target
        Regression is judged by root mean square error, classification by log loss.
    X : numpy.ndarray, shape (n, d)
        Held-out features; at most ``ROWS`` of them are used.
    y : numpy.ndarray, shape (n,)
    seed : int
        Of the choice of rows and the shuffles.
    repeats : int
        Shuffles per column.

    Returns
    -------
    dict
        The rise in error (the target's units, or nats) for each column, largest first.

    References
    ----------
    Breiman, *Random Forests*, https://doi.org/10.1023/A:1010933404324
    """
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(y))[:ROWS]
    X, y = X[chosen], y[chosen]
    base = _error(target, y, outputs(estimator, target, X))
    rises = {}
    for column, block in features.blocks.items():
        errors = []
        for _ in range(repeats):
            shuffled = X.copy()
            shuffled[:, block] = X[generator.permutation(len(y)), block]
            errors.append(_error(target, y, outputs(estimator, target, shuffled)))
        rises[column] = float(np.mean(errors)) - base
    return dict(sorted(rises.items(), key=lambda item: -item[1]))


def _error(target: Target, y: np.ndarray, predicted: np.ndarray) -> float:
    if target.is_classification:
        return float(metrics.log_loss(y, predicted, labels=np.arange(len(target.classes))))
    return float(metrics.root_mean_squared_error(y, predicted))
