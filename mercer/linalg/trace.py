"""The trace."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from mercer.linalg.hutchpp import hutchpp
from mercer.operators.base import Operator, as_operator
from mercer.operators.kronecker import Kronecker
from mercer.operators.sum import Sum


def trace(
    K: Operator | Tensor,
    *,
    method: str | None = None,
    products: int = 60,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the sum of the diagonal; differentiable.

    Parameters
    ----------
    K : Operator or Tensor, shape (*batch, n, n)
        Any square operator.
    method : {"diagonal", "hutch++"}, optional
        ``diagonal`` (default) is exact; ``hutch++`` estimates from products only, for operators
        whose entries cost more than their products.
    products : int, at least 3
        ``hutch++``: products with ``K``.
    generator : torch.Generator, optional
        ``hutch++``: source of the random vectors.

    Returns
    -------
    Tensor, shape (*batch)
        The trace.

    Examples
    --------
    >>> from mercer.operators import Diagonal
    >>> trace(Diagonal(torch.tensor([1.0, 2.0])))
    tensor(3.)
    """
    K = as_operator(K)
    if not K.is_square:
        raise ValueError(f"K must be square, got {K.n} x {K.m}")
    if method == "hutch++":
        return hutchpp(K, products=products, generator=generator)
    if method not in (None, "diagonal"):
        raise ValueError(f"method must be 'diagonal' or 'hutch++', got {method!r}")
    return exact_trace(K)


@functools.singledispatch
def exact_trace(K: Operator) -> Tensor:
    """Return the trace by the rule of the structure; default the sum of the diagonal."""
    return K.diagonal().sum(-1)


@exact_trace.register
def _(K: Kronecker) -> Tensor:
    if not all(factor.is_square for factor in K.factors):
        return K.diagonal().sum(-1)
    return functools.reduce(torch.mul, (exact_trace(factor) for factor in K.factors))


@exact_trace.register
def _(K: Sum) -> Tensor:
    total = functools.reduce(torch.add, (exact_trace(part) for part in K.parts))
    return total.expand(K.batch) if math.prod(K.batch) != total.numel() else total
