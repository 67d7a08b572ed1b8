"""How much of a Gaussian kernel matrix its largest entries hold."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.features.base import check_points
from mercer.kernels import RBF


def head_and_tail(queries: Tensor, keys: Tensor, lengthscale: float) -> tuple[Tensor, Tensor]:
    r"""Sums of the ``n`` largest entries of the kernel matrix and of all others.

    The product with a vector takes less than quadratic time where the tail is at most a constant
    times the head; :math:`1^T K 1`, the sum of both, is then linear in ``n``. For attention in
    ``d`` dimensions, :math:`e^{q \cdot k / \sqrt d}` is this kernel with
    :math:`\sigma = d^{1/4}`, its rows and columns multiplied by
    :math:`e^{\|q\|^2 / (2 \sqrt d)}` and :math:`e^{\|k\|^2 / (2 \sqrt d)}`.

    Parameters
    ----------
    queries, keys : Tensor, shapes (*batch, n, d) and (*batch, m, d)
        Points, one a row; float32 or float64. The matrix is formed.
    lengthscale : float
        ``sigma``, positive.

    Returns
    -------
    head, tail : Tensor, shape (*batch)

    Raises
    ------
    TypeError, ValueError
        If an argument is outside of its domain.

    Examples
    --------
    >>> head, tail = head_and_tail(torch.zeros(2, 1), torch.tensor([[0.0], [9.0]]), 1.0)
    >>> print(f"{head:.2f}, {tail:.2f}")
    2.00, 0.00
    """
    check_points("queries", queries), check_points("keys", keys)
    checks.alike("keys", keys, "queries", queries)
    K = RBF(lengthscale)(queries, keys).dense().flatten(-2)  # [*batch, n m]
    head = torch.topk(K, min(queries.shape[-2], K.shape[-1]), dim=-1).values.double().sum(-1)
    return head, K.double().sum(-1) - head
