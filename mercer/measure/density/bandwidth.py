"""Bandwidths: the rules of Scott and Silverman, and leave-one-out likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from scipy.optimize import minimize_scalar
from torch import Tensor

from mercer.measure.density.log_kernel_sum import log_kernel_sum
from mercer.measure.density.smoothing_kernel import SmoothingKernel

DOUBLINGS = 60  # of the bandwidth in search of a maximum


def scott(n: float, d: int) -> float:
    """Scott's rule for a Gaussian kernel and data of unit variance: ``n^(-1/(d+4))``."""
    return float(n ** (-1 / (d + 4)))


def silverman(n: float, d: int) -> float:
    """Silverman's rule, best for the mean squared error of the density of normal data.

    Examples
    --------
    >>> round(silverman(100, 1), 4)  # (4 / 3 / n)^(1/5)
    0.4217
    """
    return float((n * (d + 2) / 4) ** (-1 / (d + 4)))


RULES: dict[str, Callable[[float, int], float]] = {"scott": scott, "silverman": silverman}


def leave_one_out(
    kernel: SmoothingKernel, X: Tensor, weights: Tensor, bandwidth: float, precision: str
) -> float:
    r"""The mean of :math:`\log \hat\rho_{-i}(x_i)`: up to the entropy, minus a divergence.

    Its expectation is minus the Kullback–Leibler divergence of an estimate from n - 1 points, less
    the entropy of the data.
    """
    d = X.shape[-1]
    points = X / bandwidth
    logs = log_kernel_sum(
        kernel, points, points, weights, leave_one_out=True, precision=precision
    ).double()
    logs = logs - (weights.sum() - weights).log() - d * math.log(bandwidth)
    return float((weights * logs).sum() / weights.sum()) + kernel.log_normaliser(d)


class Likeliest(NamedTuple):
    """The bandwidth that leave-one-out likelihood prefers."""

    bandwidth: float
    log_likelihood: float  # the mean over the sample
    evaluations: int


def likeliest_bandwidth(
    kernel: SmoothingKernel,
    X: Tensor,
    weights: Tensor,
    start: float,
    *,
    tolerance: float = 1e-4,
    precision: str = "highest",
    report: Callable[[int, float], None] = lambda step, value: None,
) -> Likeliest:
    """Maximise the leave-one-out likelihood: doublings until it falls, then Brent's method.

    Parameters
    ----------
    kernel : SmoothingKernel
        Of distances in units of the bandwidth.
    X : Tensor, shape (n, d)
        The sample, at least two points.
    weights : Tensor, shape (n,)
        Positive.
    start : float, positive
        The first bandwidth tried.
    tolerance : float, positive
        Relative, of the bandwidth.
    precision : {"highest", "high", "medium"}
        See :func:`mercer.engine.reduce`.
    report : callable
        Told of each evaluation: its number and the likelihood.

    Returns
    -------
    Likeliest

    Raises
    ------
    ValueError
        If the likelihood has no maximum: every row has a copy.
    """
    known: dict[float, float] = {}

    def value(log_bandwidth: float) -> float:
        if log_bandwidth not in known:
            h = math.exp(log_bandwidth)
            known[log_bandwidth] = leave_one_out(kernel, X, weights, h, precision)
            report(len(known), known[log_bandwidth])
        return known[log_bandwidth]

    step, k = math.log(2), 0
    for _ in range(DOUBLINGS):
        below, here, above = (value(math.log(start) + j * step) for j in (k - 1, k, k + 1))
        if here > -math.inf and here >= max(below, above):
            break
        # Where no point reaches another (minus infinity) the bandwidth is too small.
        k += 1 if above >= below else -1
    else:
        raise ValueError(
            "bandwidth='likelihood' finds no maximum: the leave-one-out likelihood grows without "
            "bound, as it does where rows of X have copies; remove them or give a bandwidth"
        )
    middle = math.log(start) + k * step
    minimize_scalar(
        lambda t: -value(float(t)),
        bounds=(middle - step, middle + step),
        method="bounded",
        options={"xatol": tolerance},
    )
    best = max(known, key=known.__getitem__)
    return Likeliest(math.exp(best), known[best], len(known))
