"""Approximate ridge leverage scores."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.randomly_pivoted_cholesky import partial_cholesky
from mercer.operators.base import Operator


@torch.no_grad()
def ridge_leverage_scores(
    K: Operator,
    noise: float,
    *,
    rank: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Estimate :math:`\ell_i = [K (K + \lambda I)^{-1}]_{ii}` from a partial Cholesky factor.

    With :math:`K = \hat K + E`, the score in :math:`\hat K` is exact and the remainder adds
    :math:`E_{ii} / (E_{ii} + \lambda)`, at most one in all.

    Parameters
    ----------
    K : Operator, shape (n, n)
        Positive semidefinite.
    noise : float, above 0
        :math:`\lambda`.
    rank : int, optional
        Of the partial factor; default ``2 sqrt(n) + 10``.
    generator : torch.Generator, optional
        Source of the pivots.

    Returns
    -------
    Tensor, shape (n,)
        Between 0 and 1.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> K = Dense(torch.diag(torch.tensor([3.0, 1.0])), tags={"symmetric", "psd"})
    >>> ridge_leverage_scores(K, 1.0)
    tensor([0.7500, 0.5000])

    References
    ----------
    A. El Alaoui, M. W. Mahoney, "Fast Randomized Kernel Methods With Statistical Guarantees",
    https://arxiv.org/abs/1411.0306
    """
    noise = float(checks.positive("noise", noise))
    if rank is None:
        rank = int(2 * math.sqrt(K.n)) + 10
    F, _, remainder = partial_cholesky(K, rank, generator=generator)
    U, S, _ = torch.linalg.svd(F, full_matrices=False)
    weight = S.square() / (S.square() + noise)
    scores = (U.square() * weight).sum(dim=1) + remainder / (remainder + noise)
    return scores.clamp(torch.finfo(K.dtype).tiny, 1.0)
