"""Exact determinants: one function for each structure that has a cheap one."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
from torch import Tensor

from mercer.linalg.kronecker import kronecker_plus_shift, kronecker_values
from mercer.linalg.shifted import split_shift
from mercer.linalg.woodbury import woodbury_logdet
from mercer.operators.base import Operator
from mercer.operators.block import Block
from mercer.operators.dense import Dense
from mercer.operators.diagonal import Diagonal
from mercer.operators.identity import Identity
from mercer.operators.kronecker import Kronecker
from mercer.operators.low_rank import LowRank
from mercer.operators.product import Product
from mercer.operators.scaled import Scaled
from mercer.operators.spectral import Spectral
from mercer.operators.sum import Sum
from mercer.operators.zero import Zero

SignLog: TypeAlias = tuple[Tensor, Tensor]
Inner: TypeAlias = Callable[[Operator], SignLog]


@functools.singledispatch
def slogdet_structure(K: Operator, inner: Inner) -> SignLog | None:
    """Return sign and logarithm of ``|det K|`` by the rule of its structure, if there is one.

    Parameters
    ----------
    K : Operator, shape (*batch, n, n)
        Register a function for a class to give it a rule.
    inner : callable
        The same for a part of ``K``.

    Returns
    -------
    tuple of Tensor, or None
        Sign and logarithm, each of shape ``(*batch)``.

    Examples
    --------
    >>> slogdet_structure(Diagonal(torch.tensor([-1.0, 2.0])), None)
    (tensor(-1.), tensor(0.6931))
    """
    return None


def _of_values(values: Tensor) -> SignLog:
    return values.sign().prod(-1), values.abs().log().sum(-1)


def _sum(parts: Iterable[SignLog]) -> SignLog:
    return functools.reduce(lambda a, b: (a[0] * b[0], a[1] + b[1]), parts)


@slogdet_structure.register
def _(K: Dense, inner: Inner) -> SignLog | None:
    if K.tags.isdisjoint({"lower_triangular", "upper_triangular"}):
        return None
    return _of_values(K.diagonal())


@slogdet_structure.register
def _(K: Diagonal, inner: Inner) -> SignLog:
    return _of_values(K.values)


@slogdet_structure.register
def _(K: Identity, inner: Inner) -> SignLog:
    one = torch.ones((), dtype=K.dtype, device=K.device)
    return one, torch.zeros_like(one)


@slogdet_structure.register
def _(K: Zero, inner: Inner) -> SignLog:
    return _of_values(K.diagonal())


@slogdet_structure.register
def _(K: Scaled, inner: Inner) -> SignLog:
    factor = torch.as_tensor(K.factor, dtype=K.dtype, device=K.device)
    sign, log = inner(K.operator)
    return sign * factor.sign() ** (K.n % 2), log + K.n * factor.abs().log()


@slogdet_structure.register
def _(K: Spectral, inner: Inner) -> SignLog:
    spectrum, times = K.spectrum(), K.multiplicity()  # [*batch, k], [k]
    sign = spectrum.real[..., times == 1].sign().prod(-1)  # the product of a pair is positive
    return sign, (times * spectrum.abs().log()).sum(-1)


@slogdet_structure.register
def _(K: Kronecker, inner: Inner) -> SignLog | None:
    if not all(factor.is_square for factor in K.factors):
        return None
    parts = []
    for factor in K.factors:
        times = math.prod(other.n for other in K.factors) // max(factor.n, 1)
        sign, log = inner(factor)
        parts.append((sign ** (times % 2 or 2), times * log))
    return _sum(parts)


@slogdet_structure.register
def _(K: Product, inner: Inner) -> SignLog | None:
    if not all(part.is_square for part in K.parts):
        return None
    return _sum(inner(part) for part in K.parts)


@slogdet_structure.register
def _(K: Block, inner: Inner) -> SignLog | None:
    size = len(K.grid)
    off = (K.grid[r][c] for r in range(size) for c in range(len(K.grid[0])) if r != c)
    if K.heights != K.widths or not all(isinstance(block, Zero) for block in off):
        return None
    return _sum(inner(K.grid[k][k]) for k in range(size))


@slogdet_structure.register
def _(K: Sum, inner: Inner) -> SignLog | None:
    A, shift = split_shift(K)
    if shift is None:
        return None
    if isinstance(A, LowRank) and A.rank < A.n:
        return woodbury_logdet(A, shift)
    if isinstance(A, Spectral) and shift.ndim == 0:
        return inner(A.shifted(shift))
    if kronecker_plus_shift(K) and isinstance(A, Kronecker):
        values = [torch.linalg.eigvalsh(factor.dense()) for factor in A.factors]
        return _of_values(kronecker_values(values) + shift)
    return None
