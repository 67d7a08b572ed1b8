"""The number of sufficient predictors by a criterion of the type of BIC."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer import checks


def bic_order(values: Tensor, n: int, penalty: float = 2.0) -> int:
    r"""Return the ``k`` that maximises the eigenvalues' partial sum less a penalty.

    .. math:: \sum_{i \le k} \lambda_i - c_0 \lambda_1 \sqrt{\log n / n} \; k

    Parameters
    ----------
    values : Tensor, shape (r,)
        Eigenvalues of the candidate matrix, descending.
    n : int, at least 2
        Rows of the sample.
    penalty : float, above 0
        :math:`c_0`; the publication takes 2, and 4 where the response's operator is inverted.

    Returns
    -------
    int
        From 0 to ``r``.

    Examples
    --------
    >>> bic_order(torch.tensor([3.0, 2.0, 0.1, 0.1]), n=200)
    2

    References
    ----------
    B. Li, A. Artemiou, L. Li, "Principal Support Vector Machines for Linear and Nonlinear
    Sufficient Dimension Reduction". https://arxiv.org/abs/1203.2790
    """
    checks.positive("penalty", penalty)
    n = checks.count("n", n, least=2)
    k = torch.arange(len(values) + 1, dtype=values.dtype, device=values.device)
    gained = torch.cat((values.new_zeros(1), values.cumsum(0)))
    return int((gained - penalty * values[0] * math.sqrt(math.log(n) / n) * k).argmax())
