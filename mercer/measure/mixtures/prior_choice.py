"""From what a caller says of the prior, and the rows, to numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mercer.measure.mixtures.prior import Prior, matrix, normal_prior, wishart_prior


def choose_prior(
    table: np.ndarray,
    covariance: Any,
    mean_prior: Any,
    covariance_prior: Any,
    degrees_of_freedom_prior: float | None,
) -> dict[str, Any]:
    """The prior as plain arrays and numbers; what is None is taken from the rows ``[n, d]``.

    Parameters
    ----------
    table : array, shape (n, d)
        The rows.
    covariance, mean_prior, covariance_prior, degrees_of_freedom_prior
        See :class:`mercer.measure.mixtures.DirichletProcessMixture`.

    Returns
    -------
    dict
        ``mean`` and ``scale``, ``noise`` if it is known, and ``degrees``.

    Raises
    ------
    ValueError
        If one of them is not as said, or the rows do not settle what they should.
    """
    d = table.shape[1]
    mean = table.mean(axis=0) if mean_prior is None else np.asarray(mean_prior, float)
    if mean.shape != (d,) or not np.isfinite(mean).all():
        raise ValueError(f"mean_prior must be {d} finite numbers, got {mean.tolist()}")
    noise = None if covariance is None else matrix("covariance", covariance, d)
    if covariance_prior is not None:
        scale = matrix("covariance_prior", covariance_prior, d)
    else:
        scale = _covariance(table)
    nu = d + 2.0 if degrees_of_freedom_prior is None else degrees_of_freedom_prior
    if not d - 1 < nu < math.inf:
        raise ValueError(f"degrees_of_freedom_prior must be above {d - 1}, got {nu:g}")
    return {"mean": mean, "scale": scale, "noise": noise, "degrees": float(nu)}


def _covariance(table: np.ndarray) -> np.ndarray:
    n, d = table.shape
    if n < 2:
        raise ValueError("n_samples=1 has no covariance: give covariance_prior or more rows")
    scale = np.atleast_2d(np.cov(table.T, bias=True))
    if np.linalg.eigvalsh(scale)[0] <= 1e-12 * np.abs(scale).max():
        raise ValueError(
            f"X does not span its {d} columns, so that its covariance is no prior; drop "
            "constant and dependent columns or give covariance_prior"
        )
    return scale


def prior_of(chosen: dict[str, Any], mean_precision: float) -> Prior:
    """The prior of what :func:`choose_prior` returned; normal where the noise is known."""
    mean, scale, noise = (chosen[name] for name in ("mean", "scale", "noise"))
    if noise is not None:
        return normal_prior(mean, scale, noise)
    return wishart_prior(mean, scale, mean_precision, chosen["degrees"])
