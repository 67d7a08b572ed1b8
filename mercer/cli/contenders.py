"""What the table compares with: the models most people would try first."""

from __future__ import annotations

import dataclasses
import time
import warnings
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from mercer.cli.scores import scores
from mercer.cli.target import Target


@dataclasses.dataclass(frozen=True)
class Result:
    """A model's name, its held-out predictions and scores, and its seconds.

    Parameters
    ----------
    name : str
        For the table.
    predicted : numpy.ndarray
        Values ``(n,)`` or probabilities ``(n, classes)`` of the held-out rows.
    scores : dict
        As :func:`mercer.cli.scores.scores` gives them.
    fit_seconds, predict_seconds : float
        Wall-clock time.
    """

    name: str
    predicted: np.ndarray
    scores: dict[str, float]
    fit_seconds: float
    predict_seconds: float


def contenders(target: Target, seed: int) -> dict[str, Any]:
    """Unfitted scikit-learn models with their defaults, by name."""
    if target.is_classification:
        return {
            "logistic regression": LogisticRegression(max_iter=300),
            "gradient boosting": HistGradientBoostingClassifier(random_state=seed),
        }
    return {
        "ridge regression": Ridge(),
        "gradient boosting": HistGradientBoostingRegressor(random_state=seed),
    }


def compete(
    name: str,
    model: Any,
    target: Target,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> Result:
    """Fit ``model`` on ``train`` and score it on ``test``, each a pair ``(X, y)``."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(*train)
    return assess(name, model, target, test, time.perf_counter() - start)


def assess(
    name: str, model: Any, target: Target, test: tuple[np.ndarray, np.ndarray], seconds: float
) -> Result:
    """Score a fitted ``model`` on ``test``, where fitting took ``seconds``."""
    start = time.perf_counter()
    predicted = outputs(model, target, test[0])
    predict_seconds = time.perf_counter() - start
    return Result(name, predicted, scores(target, test[1], predicted), seconds, predict_seconds)


def outputs(model: Any, target: Target, X: np.ndarray) -> np.ndarray:
    """Values ``(n,)`` or probabilities ``(n, classes)``, float64."""
    predict = model.predict_proba if target.is_classification else model.predict
    return np.asarray(predict(X), dtype=np.float64)
