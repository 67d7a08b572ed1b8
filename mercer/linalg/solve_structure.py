"""Exact rules: one function for each structure whose inverse is as cheap as itself.

A rule returns the solution and the name of what it did, or None where it does not apply.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.banded import banded_solve
from mercer.linalg.errors import LinAlgError
from mercer.linalg.implicit import implicit_solve
from mercer.linalg.kronecker import axis_by_axis, kronecker_eigh, kronecker_plus_shift
from mercer.linalg.shifted import split_shift
from mercer.linalg.woodbury import woodbury_solve
from mercer.operators.banded import Banded
from mercer.operators.base import Operator
from mercer.operators.block import Block
from mercer.operators.dense import Dense
from mercer.operators.diagonal import Diagonal
from mercer.operators.identity import Identity
from mercer.operators.kronecker import Kronecker
from mercer.operators.low_rank import LowRank
from mercer.operators.permuted import Permuted
from mercer.operators.product import Product
from mercer.operators.scaled import Scaled
from mercer.operators.spectral import Spectral
from mercer.operators.sum import Sum
from mercer.operators.zero import Zero

Inner: TypeAlias = Callable[[Operator, Tensor], Tensor]
Answer: TypeAlias = tuple[Tensor, str] | None


@functools.singledispatch
def solve_structure(K: Operator, B: Tensor, inner: Inner) -> Answer:
    """Solve by the rule of the structure of ``K``, if there is one.

    Parameters
    ----------
    K : Operator, shape (*batch, n, n)
        Register a function for a class to give it a rule.
    B : Tensor, shape (*batch, n, c)
        Right-hand sides.
    inner : callable
        ``(operator, B) -> X``: solves with a part of ``K``.

    Returns
    -------
    tuple of Tensor and str, or None
        The solution and the name of the rule, or None.

    Examples
    --------
    >>> solve_structure(Diagonal(torch.tensor([2.0])), torch.ones(1, 1), None)
    (tensor([[0.5000]]), 'diagonal: entry by entry')
    """
    return None


@solve_structure.register
def _(K: Dense, B: Tensor, inner: Inner) -> Answer:
    lower = "lower_triangular" in K.tags
    if not lower and "upper_triangular" not in K.tags:
        return None
    _refuse_zero("the diagonal of the triangular matrix", K.diagonal())
    X = torch.linalg.solve_triangular(K.matrix, B, upper=not lower)
    return X, "triangular: substitution"


@solve_structure.register
def _(K: Identity, B: Tensor, inner: Inner) -> Answer:
    return B.clone(), "identity: the right-hand side itself"


@solve_structure.register
def _(K: Diagonal, B: Tensor, inner: Inner) -> Answer:
    _refuse_zero("the diagonal", K.values)
    return B / K.values[..., None], "diagonal: entry by entry"


@solve_structure.register
def _(K: Zero, B: Tensor, inner: Inner) -> Answer:
    raise LinAlgError("the matrix is zero, and so singular")


@solve_structure.register
def _(K: Scaled, B: Tensor, inner: Inner) -> Answer:
    factor = torch.as_tensor(K.factor, dtype=K.dtype, device=K.device)
    _refuse_zero("the factor of the operator", factor.reshape(-1))
    return inner(K.operator, B / factor[..., None, None]), "multiple: divided by its factor"


@solve_structure.register
def _(K: Spectral, B: Tensor, inner: Inner) -> Answer:
    spectrum = K.spectrum()[..., None]  # [*batch, k, 1]
    name = type(K).__name__.lower()
    _refuse_small(f"an eigenvalue of the {name} matrix", spectrum.detach().abs())
    return K.inverse_transform(K.transform(B) / spectrum), f"{name}: by fast {K.name} transform"


@solve_structure.register
def _(K: Kronecker, B: Tensor, inner: Inner) -> Answer:
    if not all(factor.is_square for factor in K.factors):
        return None
    steps = [functools.partial(inner, factor) for factor in K.factors]
    return axis_by_axis(steps, [f.n for f in K.factors], B), "Kronecker: factor by factor"


@solve_structure.register
def _(K: Permuted, B: Tensor, inner: Inner) -> Answer:
    n = K.operator.n
    rows, cols = (_permutation(taken, n) for taken in (K.rows_taken, K.cols_taken))
    if K.shape != K.operator.shape or rows is None or cols is None:
        return None
    # A[rows, cols] x = b is A z = b', with b'[rows] = b and z[cols] = x.
    Z = inner(K.operator, B.index_select(-2, rows.argsort()))
    return Z.index_select(-2, cols), "permuted: permuted right-hand side and solution"


@solve_structure.register
def _(K: Product, B: Tensor, inner: Inner) -> Answer:
    if not all(part.is_square for part in K.parts):
        return None
    for part in K.parts:
        B = inner(part, B)
    return B, "product: part by part"


@solve_structure.register
def _(K: Block, B: Tensor, inner: Inner) -> Answer:
    size = len(K.grid)
    off = (K.grid[r][c] for r in range(size) for c in range(len(K.grid[0])) if r != c)
    if K.heights != K.widths or not all(isinstance(block, Zero) for block in off):
        return None
    pieces = [inner(K.grid[k][k], piece) for k, piece in enumerate(B.split(K.heights, -2))]
    batch = torch.broadcast_shapes(*(piece.shape[:-2] for piece in pieces))
    whole = torch.cat([piece.expand(*batch, *piece.shape[-2:]) for piece in pieces], -2)
    return whole, "block diagonal: block by block"


@solve_structure.register
def _(K: Banded, B: Tensor, inner: Inner) -> Answer:
    if K.batch or B.ndim > 2 or K.device.type != "cpu" or K.n == 0:
        return None
    X = implicit_solve(K, B, banded_solve, lambda A, C: inner(A, C))
    return X, "banded: LU in band storage"


@solve_structure.register
def _(K: Sum, B: Tensor, inner: Inner) -> Answer:
    if len(K.parts) > 2 or not isinstance(K.parts[0], (LowRank, Spectral, Kronecker)):
        return None
    A, shift = split_shift(K)
    if shift is None:
        return None
    if isinstance(A, LowRank) and A.rank < A.n:
        _refuse_zero("the diagonal", shift.reshape(-1))
        return woodbury_solve(A, shift, B), "low rank plus diagonal: Woodbury"
    if isinstance(A, Spectral) and shift.ndim == 0:
        return solve_structure(A.shifted(shift), B, inner)
    if kronecker_plus_shift(K):
        X = implicit_solve(K, B, _kronecker_shift_solve, lambda A, C: inner(A, C))
        return X, "Kronecker plus multiple of the identity: eigenvectors of the factors"
    return None


def _kronecker_shift_solve(K: Operator, B: Tensor) -> Tensor:
    A, shift = split_shift(K)
    vectors, values = kronecker_eigh(A)
    spectrum = values if shift is None else values + shift  # [*batch, n]
    _refuse_small("an eigenvalue", spectrum.abs()[..., None])
    sizes = [V.shape[-1] for V in vectors]
    Y = axis_by_axis([V.mT.matmul for V in vectors], sizes, B) / spectrum[..., None]
    return axis_by_axis([V.matmul for V in vectors], sizes, Y)


def _permutation(taken: Tensor | None, n: int) -> Tensor | None:
    """The positions if each of the ``n`` is taken once, else None."""
    if taken is None:
        return torch.arange(n)
    if taken.shape[0] != n or not bool((torch.bincount(taken, minlength=n) == 1).all()):
        return None
    return taken


def _refuse_zero(name: str, values: Tensor) -> None:
    if checks.concrete(values) and bool((values == 0).any()):
        place = int((values.detach() == 0).any(dim=tuple(range(values.ndim - 1))).nonzero()[0])
        raise LinAlgError(f"the matrix is singular: {name} is zero at {place}")


def _refuse_small(name: str, sizes: Tensor) -> None:
    """Raise where a size, over the axis before the last, is zero to rounding."""
    if not checks.concrete(sizes) or sizes.numel() == 0:
        return
    tiny = torch.finfo(sizes.dtype).eps * sizes.amax(dim=-2, keepdim=True)
    if bool((sizes <= tiny).any()):
        raise LinAlgError(
            f"the matrix is singular to rounding: {name} has size {float(sizes.min()):.3g}; "
            "add noise (K + noise * Identity(n))"
        )
