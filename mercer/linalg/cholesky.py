"""The Cholesky factor as an operator."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from mercer.linalg.banded import banded_cholesky
from mercer.linalg.errors import LinAlgError
from mercer.linalg.factor import cholesky_factor
from mercer.linalg.shifted import dense_with_shift
from mercer.operators.banded import Banded
from mercer.operators.base import Operator, as_operator
from mercer.operators.block import Block
from mercer.operators.dense import Dense
from mercer.operators.diagonal import Diagonal
from mercer.operators.identity import Identity
from mercer.operators.kronecker import Kronecker
from mercer.operators.scaled import Scaled, scale
from mercer.operators.zero import Zero


def cholesky(K: Operator | Tensor) -> Operator:
    """Return the lower triangular ``L`` with ``L Lᵀ = K`` and a positive diagonal.

    Diagonal, Kronecker, multiples, block diagonal and banded operators keep their structure; all
    others are made dense. Differentiable, except that a banded operator that needs a gradient is
    made dense too.

    Parameters
    ----------
    K : Operator or Tensor, shape (*batch, n, n)
        Symmetric positive definite; only the lower triangle of a dense matrix is read.

    Returns
    -------
    Operator, shape (*batch, n, n)
        Tagged ``lower_triangular``.

    Raises
    ------
    torch.linalg.LinAlgError
        If ``K`` is not positive definite.

    Examples
    --------
    >>> from mercer.operators import Diagonal
    >>> cholesky(Diagonal(torch.tensor([4.0, 9.0]))).diagonal()
    tensor([2., 3.])
    """
    taken = isinstance(K, Tensor)
    K = as_operator(K)
    if not K.is_square:
        raise ValueError(f"K must be square, got {K.n} x {K.m}")
    if not taken and K.tags.isdisjoint({"symmetric", "psd"}):
        raise ValueError(f"cholesky needs an operator tagged symmetric or psd, got {K!r}")
    return cholesky_structure(K)


@functools.singledispatch
def cholesky_structure(K: Operator) -> Operator:
    """Return the factor by the rule of the structure; default the dense one."""
    return Dense(cholesky_factor(dense_with_shift(K)), tags={"lower_triangular"})


@cholesky_structure.register
def _(K: Identity) -> Operator:
    return K


@cholesky_structure.register
def _(K: Diagonal) -> Operator:
    _refuse("the diagonal", K.values)
    return Diagonal(K.values.sqrt())


@cholesky_structure.register
def _(K: Scaled) -> Operator:
    factor = torch.as_tensor(K.factor, dtype=K.dtype, device=K.device)
    _refuse("the factor of the operator", factor)
    root = factor.sqrt() if isinstance(K.factor, Tensor) else K.factor**0.5
    return scale(cholesky_structure(K.operator), root)


@cholesky_structure.register
def _(K: Kronecker) -> Operator:
    if any(factor.tags.isdisjoint({"symmetric", "psd"}) for factor in K.factors):
        return Dense(cholesky_factor(K.dense()), tags={"lower_triangular"})
    return Kronecker(*(cholesky_structure(factor) for factor in K.factors))


@cholesky_structure.register
def _(K: Block) -> Operator:
    size = len(K.grid)
    off = (K.grid[r][c] for r in range(size) for c in range(len(K.grid[0])) if r != c)
    if K.heights != K.widths or not all(isinstance(block, Zero) for block in off):
        return Dense(cholesky_factor(K.dense()), tags={"lower_triangular"})
    return Block(
        [
            [cholesky_structure(K.grid[r][c]) if r == c else K.grid[r][c] for c in range(size)]
            for r in range(size)
        ]
    )


@cholesky_structure.register
def _(K: Banded) -> Operator:
    if K.batch or K.device.type != "cpu" or K.n == 0 or K.diagonals.requires_grad:
        return Dense(cholesky_factor(K.dense()), tags={"lower_triangular"})
    bands = banded_cholesky(K)  # [below + 1, n]
    return Banded(bands, [-k for k in range(len(bands))])


def _refuse(name: str, values: Tensor) -> None:
    if not bool((values > 0).all()):
        raise LinAlgError(
            f"the matrix is not positive definite: {name} has {float(values.min()):.3g}; add noise "
            "(K + noise * Identity(n))"
        )
