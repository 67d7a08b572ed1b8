"""One long run or several short ones: the expected best of k runs at the same total budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np


def expected_best(scores: Sequence[float], k: int) -> float:
    """Return the mean, over all k-subsets of the runs, of their best score.

    The unbiased estimate of the expected best of k independent runs from n >= k of them: the i-th
    smallest is the best of C(i - 1, k - 1) of the C(n, k) subsets.

    Parameters
    ----------
    scores : sequence of float, (n,)
    k : int, from 1 to n

    Examples
    --------
    >>> round(expected_best([0.0, 1.0, 2.0], 2), 3)
    1.667

    References
    ----------
    RE-Bench: Evaluating frontier AI R&D capabilities of language model agents against human
    experts, https://arxiv.org/abs/2411.15114
    """
    n = len(scores)
    if not 1 <= k <= n:
        raise ValueError(f"k must lie between 1 and the number of runs, {n}, got {k}")
    ordered = np.sort(np.asarray(scores, dtype=float))
    if not np.isfinite(ordered).all():
        raise ValueError("scores must be finite")
    shares = [math.comb(i, k - 1) / math.comb(n, k) for i in range(n)]
    return float(np.dot(ordered, shares))


def budget_splits(
    runs: Mapping[float, Sequence[float]], total: float
) -> dict[float, tuple[int, float]]:
    """Return for each length of a run how many fit into `total` and the best they promise.

    Parameters
    ----------
    runs : mapping of float to sequence of float
        Budget of one run (seconds, say) to the scores of runs of that budget.
    total : float
        What may be spent together, in the same unit.

    Returns
    -------
    dict of float to (int, float)
        Budget of one run to (k, expected best of k). Lengths above `total`, and those of which
        fewer than k runs were made, are left out.

    Examples
    --------
    >>> budget_splits({1.0: [0.0, 1.0, 0.5], 2.0: [0.75, 0.5]}, total=2.0)[2.0]
    (1, 0.625)
    """
    if not total > 0:
        raise ValueError(f"total must be positive, got {total}")
    splits = {}
    for budget, scores in sorted(runs.items()):
        if not budget > 0:
            raise ValueError(f"the budget of a run must be positive, got {budget}")
        k = math.floor(total / budget * (1 + 1e-12))
        if 1 <= k <= len(scores):
            splits[budget] = (k, expected_best(scores, k))
    return splits
