"""How much faster one program is than another, from rounds in which both ran."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom


@dataclass(frozen=True)
class Ratio:
    """A median of paired ratios and an interval for it.

    Parameters
    ----------
    median : float
    low, high : float
        Bounds that hold the true median with the confidence asked for, whatever the noise's law.
    """

    median: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Half the interval's width relative to the median."""
        return (self.high - self.low) / (2 * self.median)


def paired_ratio(
    numerator: Sequence[float], denominator: Sequence[float], *, confidence: float = 0.95
) -> Ratio:
    """Return the median of `numerator / denominator`, round by round.

    What slows a whole round, another program or a hot chip, slows both and cancels. The bounds are
    order statistics: the count of ratios under the true median is binomial with p = 1/2. With too
    few rounds for the confidence (under 6 for 0.95) they are 0 and infinity.

    Examples
    --------
    >>> paired_ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]).median
    2.0
    """
    a, b = np.asarray(numerator, float), np.asarray(denominator, float)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(
            f"rounds must pair up and be at least one, got {len(a)} and {len(b)} of them"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all() and (a > 0).all() and (b > 0).all()):
        raise ValueError("seconds must be positive and finite in every round")
    ratios = np.sort(a / b)
    n = len(ratios)
    # The largest k for which fewer than k ratios below the median has at most that probability.
    k = int(binom.ppf((1 - confidence) / 2, n, 0.5))
    low, high = (ratios[k - 1], ratios[n - k]) if k >= 1 else (0.0, math.inf)
    return Ratio(float(np.median(ratios)), float(low), float(high))
