"""Coordinates in which a smoothing kernel is round."""

from __future__ import annotations

import torch
from torch import Tensor

COVARIANCES = ("spherical", "diagonal", "full")


def spread(X: Tensor, weights: Tensor) -> tuple[Tensor, float]:
    """The unbiased covariance of a weighted sample, and the number of points that it is worth.

    Returns
    -------
    tuple of Tensor, shape (d, d), and float
        The covariance in float64, and :math:`(\\sum w)^2 / \\sum w^2`.
    """
    w = weights / weights.sum()
    centred = X.double() - w @ X.double()
    squares = float((w**2).sum())
    return (w[:, None] * centred).mT @ centred / (1 - squares), 1 / squares


def covariance_factor(X: Tensor, weights: Tensor, covariance: str) -> Tensor | None:
    """The Cholesky factor ``L`` of a weighted sample's covariance.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        The sample.
    weights : Tensor, shape (n,)
        Positive.
    covariance : {"spherical", "diagonal", "full"}
        The identity, the variances or all of it.

    Returns
    -------
    Tensor, shape (d, d), or None
        In float64; None for the identity.

    Raises
    ------
    ValueError
        If there is no such covariance, or the sample does not span all dimensions.
    """
    if covariance not in COVARIANCES:
        raise ValueError(f"covariance must be one of {', '.join(COVARIANCES)}, got {covariance!r}")
    if covariance == "spherical":
        return None
    S, _ = spread(X, weights)
    factor, failed = torch.linalg.cholesky_ex(
        S.diagonal().diag() if covariance == "diagonal" else S
    )
    if bool(failed):
        raise ValueError(
            f"covariance={covariance!r} needs a sample that spans all {X.shape[1]} dimensions; "
            "drop constant and dependent columns, or take covariance='spherical'"
        )
    return factor


def whitened(X: Tensor, L: Tensor | None) -> Tensor:
    r""":math:`L^{-1} x` of points ``[n, d]``, in their dtype; None is the identity."""
    if L is None:
        return X
    return torch.linalg.solve_triangular(L, X.double().mT, upper=False).mT.to(X)


def log_volume(L: Tensor | None) -> float:
    r""":math:`\log |L|`."""
    return 0.0 if L is None else float(L.diagonal().log().sum())
