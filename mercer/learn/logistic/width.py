"""A kernel's width from the distances between points."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels.median_distance import pair_distances

MOST = 1000  # rows whose distances are taken


def distance_percentile(X: Tensor, percent: float, *, l1: bool = False, seed: int = 0) -> float:
    """The percentile of the distances between pairs of distinct rows.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Points; of more than 1,000 a random thousand is taken.
    percent : float
        Between 0 and 100.
    l1 : bool
        Whether distances are sums of absolute differences.
    seed : int
        Of the choice of rows.

    Returns
    -------
    float
        In the units of ``X``, positive; 1 where all rows are equal.

    Examples
    --------
    >>> distance_percentile(torch.tensor([[0.0], [1.0], [3.0]]), 50)
    2.0
    """
    checks.interval("percent", percent, 0, 100)
    generator = torch.Generator().manual_seed(seed)
    apart = pair_distances(X.double(), maximum=MOST, generator=generator, p=1.0 if l1 else 2.0)
    return float(torch.quantile(apart, percent / 100)) if len(apart) else 1.0
