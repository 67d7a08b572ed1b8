"""The base measure of a mixture, and the coordinates in which it is standard."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mercer.measure.mixtures.collapsed import Family
from mercer.measure.mixtures.normal_inverse_wishart import NormalInverseWishart
from mercer.measure.mixtures.normal_means import NormalMeans


class Prior(NamedTuple):
    """``x = origin + factor x'``, with ``x'`` in the coordinates of the family."""

    origin: np.ndarray  # [d]
    factor: np.ndarray  # [d, d]
    family: Family

    def standardised(self, X: np.ndarray) -> np.ndarray:
        """``x'`` of rows ``[n, d]``."""
        return np.linalg.solve(self.factor, (X - self.origin).T).T

    def log_volume(self) -> float:
        """The logarithm of the determinant of ``factor``."""
        return float(np.linalg.slogdet(self.factor)[1])


def normal_prior(mean: np.ndarray, covariance: np.ndarray, noise: np.ndarray) -> Prior:
    """``theta ~ N(mean, covariance)`` and ``x ~ N(theta, noise)``: both diagonalised at once."""
    L = np.linalg.cholesky(noise)
    inverse = np.linalg.inv(L)
    spread, Q = np.linalg.eigh(inverse @ covariance @ inverse.T)
    return Prior(mean, L @ Q, NormalMeans(spread))


def wishart_prior(mean: np.ndarray, scale: np.ndarray, kappa: float, nu: float) -> Prior:
    """``mu | S ~ N(mean, S / kappa)`` and ``S ~ IW(nu, scale)``."""
    return Prior(mean, np.linalg.cholesky(scale), NormalInverseWishart(len(mean), kappa, nu))


def matrix(name: str, value: Any, d: int) -> np.ndarray:
    """A positive definite matrix ``[d, d]``; a number stands for its multiple of the identity."""
    found = np.asarray(value, dtype=float)
    found = found * np.eye(d) if found.ndim == 0 else found
    if found.shape != (d, d):
        raise ValueError(f"{name} must be a number or have shape ({d}, {d}), got {found.shape}")
    if not np.isfinite(found).all() or not np.allclose(found, found.T):
        raise ValueError(f"{name} must be finite and symmetric")
    if np.linalg.eigvalsh(found)[0] <= 1e-12 * np.abs(found).max():
        raise ValueError(f"{name} must be positive definite, got {np.asarray(value).tolist()}")
    return found
