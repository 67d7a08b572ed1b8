"""The bandwidth of a Nadaraya-Watson estimate by Akaike's criterion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel, median_distance
from mercer.learn.conformal.nadaraya_watson import NadarayaWatson

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
TIMES = tuple(2.0**k for k in range(-4, 3))  # of the median distance


class BandwidthChoice(NamedTuple):
    """A bandwidth and what the others would have cost.

    Parameters
    ----------
    bandwidth : float
        In the units of the predictors.
    candidates : tuple of float
        All that were tried.
    criteria : tuple of float
        Akaike's criterion of each; infinite where too few points are within reach.
    """

    bandwidth: float
    candidates: tuple[float, ...]
    criteria: tuple[float, ...]


def select_bandwidth(
    kernel: Kernel,
    X: Tensor,
    Y: Tensor,
    *,
    candidates: Sequence[float] | None = None,
    levels: Sequence[float] = LEVELS,
    reweighted: bool = True,
    coordinate: int = 0,
    most_queries: int = 200,
) -> BandwidthChoice:
    r"""Choose the bandwidth of the least nonparametric Akaike criterion.

    .. math:: \log(RSS / n) + \frac{n + t}{n - t - 2}, \quad t = \operatorname{tr} S

    with S the smoother at the sample itself. Its residuals are those of the distribution function,
    :math:`1[Y_i \leq y] - \hat F(y \mid X_i)`, at quantiles y of the sample, as a conditional
    quantile may move where the mean does not. No cross-validation, which dependence would mislead.
    With :math:`\operatorname{tr} S S^\top` for t, also in use, bandwidths come out too small.

    Parameters
    ----------
    kernel, X, Y, reweighted, coordinate
        As in :class:`NadarayaWatson`.
    candidates : sequence of float, optional
        Positive, in the units of ``X``. Default: the median distance times 1/16, 1/8, ... 4.
    levels : sequence of float
        Of the quantiles y, from 0 to 1.
    most_queries : int
        Rows, evenly spread, at which residuals and trace are taken.

    Returns
    -------
    BandwidthChoice

    Raises
    ------
    ValueError
        If no candidate has points within reach of every query.

    References
    ----------
    C. M. Hurvich, J. S. Simonoff, C.-L. Tsai, Smoothing parameter selection in nonparametric
    regression using an improved Akaike information criterion, JRSS B 60 (1998).
    https://doi.org/10.1111/1467-9868.00125
    Z. Cai, R. C. Tiwari, Application of a local linear autoregressive model to BOD time series,
    Environmetrics 11 (2000).

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> x = torch.linspace(0, 1, 200, dtype=torch.float64)[:, None]
    >>> wave = torch.sin(20 * x[:, 0])
    >>> select_bandwidth(RBF(), x, wave).bandwidth < 0.1
    True
    """
    n = len(X)
    queries = _spread(n, most_queries, X)
    Z = X[queries]
    if candidates is None:
        median = float(median_distance(Z, X, maximum=None))
        candidates = [median * times for times in TIMES]
    at = torch.quantile(Y, torch.tensor(levels, dtype=Y.dtype, device=Y.device))
    below = (Y[:, None] <= at).to(Y)  # [n, levels]
    own = torch.arange(len(Z), device=Z.device)
    criteria = []
    for bandwidth in candidates:
        estimate = NadarayaWatson(
            kernel, X, Y, bandwidth=bandwidth, reweighted=reweighted, coordinate=coordinate
        )
        weights = estimate.weights(Z)
        mean_square = float((below[queries] - weights.values @ below).square().mean())
        trace = float(weights.values[own, queries].sum()) * n / len(Z)
        if not bool(weights.reached.all()) or trace >= n - 2:
            criteria.append(math.inf)
        else:
            # What is left by rounding is no misfit.
            fit = math.log(mean_square) if mean_square > torch.finfo(Y.dtype).eps else -math.inf
            criteria.append(fit + (n + trace) / (n - trace - 2))
    # Of equals the widest.
    best = min(range(len(criteria)), key=lambda k: (criteria[k], -candidates[k]))
    if criteria[best] == math.inf:
        raise ValueError("candidates must reach more points, none has a finite criterion")
    return BandwidthChoice(candidates[best], tuple(candidates), tuple(criteria))


def _spread(n: int, most: int, X: Tensor) -> Tensor:
    """At most ``most`` of ``n`` rows, evenly."""
    count = min(n, checks.count("most_queries", most))
    return torch.linspace(0, n - 1, count, dtype=torch.float64, device=X.device).round().long()
