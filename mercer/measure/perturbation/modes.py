"""The modes of a density and its covariance around each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from mercer import checks
from mercer.measure.score import LogDensity

FAR = 1e75  # beyond it products of four numbers overflow: a climb that gets there has no end


class Modes(NamedTuple):
    """Local maxima of a density, the highest first."""

    locations: Tensor  # [m, d]
    covariances: Tensor  # [m, d, d]: the inverse of minus the Hessian of the log density


def find_modes(log_density: LogDensity, starts: Tensor, *, merge: float = 1.0) -> Modes:
    r"""Climb from every start, and keep what is reached once.

    Parameters
    ----------
    log_density : callable
        Points ``[n, d]`` to ``[n]``, up to a constant; twice differentiable by autograd.
    starts : Tensor, shape (n, d)
        Where to climb from, by BFGS; a mode that no start leads to is not found.
    merge : float, positive
        Ends nearer than this to a higher one, in the metric of the Hessian there, are the same.

    Returns
    -------
    Modes

    Raises
    ------
    ValueError
        If no climb ends where the Hessian is negative definite, or the density or its gradient is
        NaN at a start.

    Examples
    --------
    >>> two = lambda x: torch.logsumexp(torch.stack([-(x**2).sum(-1), -((x - 9) ** 2).sum(-1)]), 0)
    >>> modes = find_modes(two, torch.tensor([[-1.0], [8.0], [10.0]]))
    >>> modes.locations.flatten().abs().sort().values
    tensor([0., 9.])
    """
    checks.finite("starts", checks.floating("starts", starts))
    checks.positive("merge", merge)
    if starts.ndim != 2 or len(starts) == 0:
        raise ValueError(f"starts must have shape (n, d), got {tuple(starts.shape)}")
    climbs = (_climb(log_density, x, k) for k, x in enumerate(starts))
    ends = sorted((end for end in climbs if end is not None), key=lambda end: -end[1])
    locations: list[Tensor] = []
    precisions: list[Tensor] = []
    for x, _ in ends:
        known = any(float((x - z) @ P @ (x - z)) < merge**2 for z, P in zip(locations, precisions))
        if known:
            continue
        P = -torch.autograd.functional.hessian(lambda z: log_density(z[None])[0], x)
        if bool(torch.linalg.cholesky_ex(P).info == 0):
            locations.append(x)
            precisions.append(P)
    if not locations:
        raise ValueError(
            f"none of the {len(starts)} starts led to a mode with a negative definite Hessian; "
            "the log_density may have no bound, or no mode that they lead to"
        )
    covariances = torch.linalg.inv(torch.stack(precisions))
    return Modes(torch.stack(locations).to(starts), covariances.to(starts))


class _Left(Exception):
    """A climb is beyond where numbers are."""


def _climb(log_density: LogDensity, start: Tensor, k: int) -> tuple[Tensor, float] | None:
    """The end of the climb in float64, and the log density there; none if it has no end."""
    first = True

    def falling(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal first
        if not np.abs(x).max() < FAR:
            raise _Left
        point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        value = -log_density(point[None])[0]
        (gradient,) = torch.autograd.grad(value, point)
        value, slope = value.detach(), gradient.numpy()
        if first and bool(value.isnan() | (value.isfinite() & gradient.isnan().any())):
            what = "is" if bool(value.isnan()) else "has a gradient that is"
            raise ValueError(
                f"log_density {what} NaN at row {k} of starts, it must be finite there"
            )
        first = False
        if float(value) < -FAR or (bool(value.isfinite()) and np.abs(slope).max() > FAR):
            raise _Left
        return float(value), slope

    try:
        # Outside of its support a density may be zero, whose logarithm is infinite.
        with np.errstate(all="ignore"):
            found = minimize(
                falling, start.detach().double().cpu().numpy(), jac=True, method="BFGS"
            )
    except _Left:
        return None
    if not np.isfinite(found.fun):
        return None
    return torch.from_numpy(found.x), -float(found.fun)
