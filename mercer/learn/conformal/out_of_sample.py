"""Predictions of a series by members that did not see the row."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from mercer.learn.progress import Progress


def bootstrap(
    estimator: Any,
    X: np.ndarray,
    y: np.ndarray,
    members: int,
    random: np.random.RandomState,
    *,
    verbose: bool = False,
) -> tuple[list[Any], np.ndarray]:
    r"""Fit members to block bootstraps; predict each row by those that it was left out of.

    Blocks have :math:`n^{1/3}` rows, so that a row's neighbours in time are left out with it. A row
    that every sample holds is taken out of the one that holds it least.

    Parameters
    ----------
    estimator : regressor
        Cloned for each member.
    X : array, shape (n, d)
    y : array, shape (n,)
    members : int
        At least 2.
    random : RandomState
    verbose : bool
        Whether to show progress.

    Returns
    -------
    members : list
        Fitted.
    prediction : array, shape (n,)

    References
    ----------
    C. Xu, Y. Xie, Conformal prediction interval for dynamic time-series.
    https://arxiv.org/abs/2010.09107
    """
    n = len(X)
    length = max(1, round(n ** (1 / 3)))
    starts = random.randint(0, n - length + 1, size=(members, -(-n // length)))
    rows = (starts[:, :, None] + np.arange(length)).reshape(members, -1)[:, :n]
    counts = np.stack([np.bincount(row, minlength=n) for row in rows])  # [members, n]
    everywhere = np.flatnonzero((counts > 0).all(axis=0))
    counts[counts[:, everywhere].argmin(axis=0), everywhere] = 0
    fitted, prediction = [], np.zeros(n)
    with Progress(verbose, "bootstrap") as progress:
        for k, count in enumerate(counts):
            row = np.repeat(np.arange(n), count)
            member = _seeded(estimator, random).fit(X[row], y[row])
            out = count == 0
            if out.any():
                prediction[out] += member.predict(X[out])
            fitted.append(member)
            progress({"iteration": k + 1, "of": members})
    return fitted, prediction / (counts == 0).sum(axis=0)


def split(
    estimator: Any, X: np.ndarray, y: np.ndarray, random: np.random.RandomState
) -> tuple[list[Any], np.ndarray]:
    """Fit to the first half of the rows; predict the rest.

    Parameters
    ----------
    estimator, X, y, random
        As in :func:`bootstrap`.

    Returns
    -------
    members : list
        One.
    prediction : array, shape (n - n // 2,)
    """
    half = len(X) // 2
    member = _seeded(estimator, random).fit(X[:half], y[:half])
    return [member], member.predict(X[half:])


def _seeded(estimator: Any, random: np.random.RandomState) -> Any:
    """A clone, whose randomness is drawn from ``random`` where the caller left it open."""
    given = estimator.get_params(deep=True)
    names = [k for k in given if k == "random_state" or k.endswith("__random_state")]
    drawn = {k: random.randint(2**31 - 1) for k in sorted(names) if given[k] is None}
    return clone(estimator).set_params(**drawn)
