"""Eigenvalues and eigenvectors of symmetric operators."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.kronecker import kronecker_values
from mercer.linalg.krylov import block_krylov
from mercer.operators.base import Operator, as_operator
from mercer.operators.circulant import Circulant
from mercer.operators.diagonal import Diagonal
from mercer.operators.kronecker import Kronecker
from mercer.operators.scaled import Scaled
from mercer.operators.walsh import Walsh
from mercer.operators.walsh_hadamard import walsh_hadamard

SMALL = 4096  # rows up to which the dense decomposition is the default
METHODS = ("structure", "dense", "krylov")


class Eigen(NamedTuple):
    """Eigenvalues in ascending order and orthonormal eigenvectors, as ``torch.linalg.eigh``."""

    values: Tensor  # [*batch, r]
    vectors: Tensor  # [*batch, n, r]


def eigh(
    K: Operator | Tensor,
    rank: int | None = None,
    *,
    method: str | None = None,
    tol: float | None = None,
    max_iterations: int = 200,
    generator: torch.Generator | None = None,
) -> Eigen:
    """Return all eigenpairs of a symmetric operator, or those of the ``rank`` largest eigenvalues.

    Without a method: the rule of Diagonal, Circulant, Walsh, Kronecker and their multiples; else
    the dense decomposition up to 4096 rows; else block Krylov, which needs a rank. The eigenvalues
    of block Krylov are differentiable once; its eigenvectors are constants.

    Parameters
    ----------
    K : Operator or Tensor, shape (*batch, n, n)
        Tagged symmetric or psd (a plain tensor is taken to be symmetric).
    rank : int, at least 1, optional
        How many of the largest; default all.
    method : {"structure", "dense", "krylov"}, optional
        Used or refused.
    tol : float, above 0, optional
        ``krylov``: residual over the largest eigenvalue; 1e-5 in float32, 1e-10 in float64.
    max_iterations : int, at least 1
        ``krylov``: most block products.
    generator : torch.Generator, optional
        ``krylov``: source of the start block.

    Returns
    -------
    Eigen
        ``values`` [*batch, r] ascending, ``vectors`` [*batch, n, r].

    Raises
    ------
    ValueError
        If ``K`` is not symmetric, or no method suits.

    Examples
    --------
    >>> from mercer.operators import Diagonal
    >>> eigh(Diagonal(torch.tensor([1.0, 3.0, 2.0])), rank=2).values
    tensor([2., 3.])
    """
    K = _symmetric(K)
    if method is not None and method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    r = K.n if rank is None else min(checks.count("rank", rank), K.n)
    if method in (None, "structure"):
        found = eigh_structure(K, r)
        if found is not None:
            return found
        if method == "structure":
            raise ValueError(f"method='structure': there is no exact rule for {K!r}")
    if method == "dense" or (method is None and K.n <= SMALL):
        values, vectors = torch.linalg.eigh(K.dense())
        return Eigen(values[..., K.n - r :], vectors[..., K.n - r :])
    if rank is None:
        raise ValueError(
            f"all {K.n} eigenvectors of an operator without a rule are a dense matrix; name "
            "method='dense', or a rank"
        )
    return Eigen(*block_krylov(K, r, tol=tol, max_iterations=max_iterations, generator=generator))


def _symmetric(K: Operator | Tensor) -> Operator:
    taken = isinstance(K, Tensor)
    K = as_operator(K)
    if not K.is_square:
        raise ValueError(f"K must be square, got {K.n} x {K.m}")
    if not taken and K.tags.isdisjoint({"symmetric", "psd"}):
        raise ValueError(f"eigh needs an operator tagged symmetric or psd, got {K!r}")
    return K


@functools.singledispatch
def eigh_structure(K: Operator, rank: int) -> Eigen | None:
    """Return the ``rank`` largest eigenpairs by the rule of the structure, or None."""
    return None


@eigh_structure.register
def _(K: Diagonal, rank: int) -> Eigen:
    values, order = K.values.sort(dim=-1)
    order = order[..., K.n - rank :]
    vectors = torch.nn.functional.one_hot(order, K.n).mT.to(K.dtype)  # [*batch, n, r]
    return Eigen(values[..., K.n - rank :], vectors)


@eigh_structure.register
def _(K: Scaled, rank: int) -> Eigen | None:
    factor = K.factor
    if isinstance(factor, Tensor) or factor <= 0:
        return None
    found = eigh_structure(K.operator, rank)
    return None if found is None else Eigen(factor * found.values, found.vectors)


@eigh_structure.register
def _(K: Circulant, rank: int) -> Eigen:
    """Cosines and sines; every frequency but the first and the middle one has both."""
    n = K.n
    spectrum = K.spectrum().real  # [*batch, n // 2 + 1]
    k = torch.arange(n, device=K.device)  # column k: cosine up to n // 2, then sines
    frequency = torch.minimum(k, n - k)
    values, order = spectrum[..., frequency].sort(dim=-1)
    order = order[..., n - rank :]
    angle = 2 * math.pi * torch.outer(k, frequency).remainder(max(n, 1)).to(K.dtype) / max(n, 1)
    basis = torch.where(k <= n // 2, angle.cos(), angle.sin())
    single = (frequency == 0) | (2 * frequency == n)
    basis = basis * torch.where(single, 1.0, math.sqrt(2.0)).to(K.dtype) / math.sqrt(max(n, 1))
    vectors = K.reordered(basis, 0)[:, order].movedim(0, -2)  # [*batch, n, r]
    return Eigen(values[..., n - rank :], vectors)


@eigh_structure.register
def _(K: Walsh, rank: int) -> Eigen:
    """The columns of the Hadamard matrix."""
    values, order = K.spectrum().sort(dim=-1)
    order = order[..., K.n - rank :]
    unit = torch.nn.functional.one_hot(order, K.n).mT.to(K.dtype)  # [*batch, n, r]
    return Eigen(values[..., K.n - rank :], walsh_hadamard(unit, dim=-2))


@eigh_structure.register
def _(K: Kronecker, rank: int) -> Eigen | None:
    if any(factor.tags.isdisjoint({"symmetric", "psd"}) for factor in K.factors):
        return None
    pairs = [torch.linalg.eigh(factor.dense()) for factor in K.factors]
    values, order = kronecker_values([w for w, _ in pairs]).sort(dim=-1)
    order = order[..., K.n - rank :]  # [*batch, r]
    columns, left = order.new_ones(1, 1).to(K.dtype), order  # [1, 1]
    for _, V in reversed(pairs):
        place = (left % V.shape[-1])[..., None, :]
        V = torch.take_along_dim(V.expand(*place.shape[:-2], *V.shape[-2:]), place, dim=-1)
        left = left // V.shape[-2]
        # Column by column, the Kronecker product of one eigenvector from each factor.
        columns = (V[..., :, None, :] * columns[..., None, :, :]).flatten(-3, -2)
    return Eigen(values[..., K.n - rank :], columns)
