"""Propensities by logistic regression, which fits the labels and balances nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from mercer.kernels import Kernel, Linear
from mercer.learn.logistic import KernelLogisticRegression


def fit_propensity(
    X: Any,
    observed: Any,
    *,
    kernel: Kernel | None = None,
    regularisation: float = 1.0,
    centers: int = 200,
    random_state: Any = None,
) -> Any:
    """Fit the chance that a row is observed by maximum penalised likelihood.

    Parameters
    ----------
    X : array, DataFrame or Tensor, shape (n, d)
        Features of all rows.
    observed : array or Tensor of bool, shape (n,)
        Which are observed.
    kernel : Kernel, optional
        Default: linear, which is ordinary logistic regression.
    regularisation : float, positive
        Penalty of the logit's squared norm.
    centers : int
        How many kernel functions span the logit.
    random_state : int, RandomState or None
        Of their choice.

    Returns
    -------
    array or Tensor, shape (n,)
        Propensities, in the library of ``X``.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> p = fit_propensity(X, X[:, 0] > 0.3 * np.cos(40 * X[:, 0]))
    >>> bool((np.diff(p) > 0).all())
    True
    """
    model = KernelLogisticRegression(
        kernel or Linear(),
        regularisation=regularisation,
        centers=centers,
        random_state=random_state,
    ).fit(X, observed)
    p = model.predict_proba(X)
    return p[:, 1] if hasattr(p, "ndim") and not hasattr(p, "columns") else np.asarray(p)[:, 1]
