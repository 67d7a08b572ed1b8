"""The Chinese-restaurant law of partitions."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln


def log_partition_prior(counts: np.ndarray, concentration: float) -> float:
    r"""Return the log probability of a partition into blocks of given sizes.

    .. math:: p = \frac{\Gamma(\alpha)}{\Gamma(\alpha + n)} \alpha^K \prod_k (n_k - 1)!

    Parameters
    ----------
    counts : array, shape (K,)
        Sizes of the blocks, at least 1 each.
    concentration : float
        ``alpha``, positive.

    Returns
    -------
    float

    Examples
    --------
    >>> round(math.exp(log_partition_prior(np.array([1, 1]), 1.0)), 12)
    0.5
    """
    n = counts.sum()
    ratio = gammaln(concentration) - gammaln(concentration + n)
    return float(ratio + len(counts) * math.log(concentration) + gammaln(counts).sum())
