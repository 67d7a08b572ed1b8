"""From what a caller says of the bandwidth to a number."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from mercer import checks
from mercer.learn.progress import Progress
from mercer.measure.density import bandwidth as bandwidths
from mercer.measure.density.coordinates import spread
from mercer.measure.density.smoothing_kernel import SmoothingKernel


class BandwidthChoice(NamedTuple):
    """A bandwidth, and how it was come by."""

    bandwidth: float
    log_likelihood: float  # mean leave-one-out log density where it was sought, else NaN
    why: str


def check_bandwidth(bandwidth: float | str) -> None:
    """Raise ValueError unless it is a positive number or the name of a rule."""
    if not isinstance(bandwidth, str):
        checks.positive("bandwidth", float(bandwidth))
    elif bandwidth not in (*bandwidths.RULES, "likelihood"):
        raise ValueError(
            f"bandwidth must be a number, 'scott', 'silverman' or 'likelihood', got {bandwidth!r}"
        )


def choose_bandwidth(
    bandwidth: float | str,
    kernel: SmoothingKernel,
    X: Tensor,
    weights: Tensor,
    *,
    log_volume: float = 0.0,
    tolerance: float = 1e-4,
    precision: str = "highest",
    verbose: bool = False,
) -> BandwidthChoice:
    """Follow a number, a rule or the leave-one-out likelihood.

    Parameters
    ----------
    bandwidth : float or {"scott", "silverman", "likelihood"}
        What to follow.
    kernel : SmoothingKernel
        Of distances in units of the bandwidth.
    X : Tensor, shape (n, d)
        The sample, in the coordinates in which the kernel is round.
    weights : Tensor, shape (n,)
        Positive.
    log_volume : float
        Of these coordinates' units, by which the likelihood is less.
    tolerance, precision
        See :func:`mercer.measure.density.bandwidth.likeliest_bandwidth`.
    verbose : bool
        Whether to show the progress of the search.

    Raises
    ------
    ValueError
        If the sample does not settle the bandwidth.
    """
    if not isinstance(bandwidth, str):
        h = float(bandwidth)
        return BandwidthChoice(h, math.nan, f"Bandwidth {h:.4g} as given.")
    d = X.shape[1]
    covariance, worth = spread(X, weights)
    deviation = math.sqrt(float(covariance.trace()) / d)
    if deviation == 0:
        raise ValueError(
            f"X has one point only, repeated, so that bandwidth={bandwidth!r} would be zero; give "
            "a number"
        )
    rule = bandwidths.RULES.get(bandwidth, bandwidths.scott)
    h = deviation * rule(worth, d) * kernel.relative_bandwidth(d)
    if bandwidth != "likelihood":
        why = f"Bandwidth {h:.4g} by the rule of {bandwidth.capitalize()}."
        return BandwidthChoice(h, math.nan, why)
    with Progress(verbose, "bandwidth") as progress:
        found = bandwidths.likeliest_bandwidth(
            kernel,
            X,
            weights,
            h,
            tolerance=tolerance,
            precision=precision,
            report=lambda step, value: progress(
                {"iteration": step, "of": 30, "log_likelihood": value}
            ),
        )
    log_likelihood = found.log_likelihood - log_volume
    why = (
        f"Bandwidth {found.bandwidth:.4g} by leave-one-out likelihood ({log_likelihood:.4g} a "
        f"row), {found.evaluations} sums over all pairs."
    )
    return BandwidthChoice(found.bandwidth, log_likelihood, why)
