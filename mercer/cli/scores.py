"""How good predictions are, in the few numbers a person would ask for."""

from __future__ import annotations

import numpy as np
from sklearn import metrics

from mercer.cli.target import Target

# Higher is better for these, lower for the rest.
HIGHER = {"R2", "accuracy", "AUC"}


def scores(target: Target, y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Score predictions on rows that were held out.

    Parameters
    ----------
    target : Target
        Says which scores.
    y : numpy.ndarray, shape (n,)
        True values, or class codes.
    predicted : numpy.ndarray
        Values of shape ``(n,)``, or probabilities of shape ``(n, classes)``.

    Returns
    -------
    dict
        The first is the headline: ``R2``, root mean square error and mean absolute error in the
        target's units; or ``accuracy``, ``log loss`` in nats and, for two classes, ``AUC``.

    Examples
    --------
    >>> scores(Target("y", "regression"), np.array([1.0, 3.0]), np.array([1.0, 2.0]))["R2"]
    0.5
    """
    if not target.is_classification:
        # R2 compares with the mean of the rows scored, which one row cannot give.
        many = {"R2": metrics.r2_score(y, predicted)} if len(y) > 1 else {}
        return {
            **many,
            "RMSE": float(metrics.root_mean_squared_error(y, predicted)),
            "MAE": float(metrics.mean_absolute_error(y, predicted)),
        }
    codes = np.arange(len(target.classes))
    result = {
        "accuracy": float(metrics.accuracy_score(y, predicted.argmax(axis=1))),
        "log loss": float(metrics.log_loss(y, predicted, labels=codes)),
    }
    if len(codes) == 2 and len(np.unique(y)) == 2:
        result["AUC"] = float(metrics.roc_auc_score(y, predicted[:, 1]))
    return result
