"""Leaves made ready for tiles: each fills a tile with its combination of scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import sympy
import torch
from torch import Tensor

from mercer.engine.fold import Leaf
from mercer.engine.formula import Formula, differentiate, singular_at_zero
from mercer.engine.planner import score_method

FEW = 8  # terms of a dot product up to which a loop is quicker than a matrix product


@dataclass(frozen=True)
class Coordinates:
    """A leaf as a sum over few coordinates, for loops that keep it in registers."""

    kind: str  # difference, absolute, sign or dot
    x: Tensor  # [B, d, n]
    y: Tensor  # [B, d, m]
    signs: tuple[float, ...]  # [d], of squared differences


class Filler(Protocol):
    """Fills ``out [b, tn, tm]`` with one leaf for a slice of batches, rows and columns."""

    why: str
    rounding: float  # values up to here cannot be told from zero

    def coordinates(self) -> Coordinates | None:
        """The leaf as a sum over few coordinates; None if a matrix product is quicker."""

    def fill(self, out: Tensor, b: slice, i: slice, j: slice) -> Tensor:
        """Write the tile into ``out`` and return it."""


def centred(kinds: Sequence[str], X: list[Tensor], Y: list[Tensor]) -> tuple[list, list]:
    """Move the points of every squared distance so that their mean is the origin.

    It changes no distance, and a matrix product then loses least to cancellation.
    """
    X, Y = list(X), list(Y)
    for k, kind in enumerate(kinds):
        if kind == "squared_distance" and Y[k].shape[-2]:
            middle = Y[k].mean(-2, keepdim=True)
            same = X[k] is Y[k]
            X[k] = X[k] - middle
            Y[k] = X[k] if same else Y[k] - middle
    return X, Y


def make_filler(
    leaf: Leaf,
    kinds: Sequence[str],
    X: list[Tensor],
    Y: list[Tensor],
    rough: bool,
    precision: str,
    compiled: bool = False,
) -> Filler:
    """The filler of a leaf over centred points; a compiled loop prefers differences for longer."""
    k = leaf.terms[0][0]
    if kinds[k] == "l1_distance":
        return Absolute(X[k], Y[k])
    if kinds[k] == "sign":
        return Sign(X[k], Y[k])
    squared = [k for k, _ in leaf.terms if kinds[k] == "squared_distance"]
    if not squared:
        return Product(leaf, kinds, X, Y, wide=False, clamp=0, spread=0.0, why="one product")
    d = sum(X[k].shape[-1] for k, _ in leaf.terms)
    spread = max(abs(c) * largest_norm(X[k], Y[k]) for k, c in leaf.terms if k in squared)
    method, why = score_method(d, spread, rough, X[0].dtype, precision, compiled)
    if method == "difference" and len(squared) == len(leaf.terms):
        return Difference(leaf, X, Y, why)
    if method == "difference":
        method, why = "wide", "distances and dot products in one product, summed in float64"
    return Product(leaf, kinds, X, Y, method == "wide", leaf.clamp, spread, why)


def is_rough(formula: Formula) -> bool:
    """Whether the profile has no derivative where a squared distance is zero."""
    squared = [s for s, kind in zip(formula.symbols, formula.kinds) if kind == "squared_distance"]
    return any(
        s in formula.expression.free_symbols
        and singular_at_zero(differentiate(formula.expression, s), s)
        for s in squared
    )


def is_singular(expression: sympy.Expr, leaf: Leaf, kinds: Sequence[str]) -> bool:
    """Whether a folded expression has no finite value where a leaf of distances is zero."""
    distances = all("distance" in kinds[k] for k, _ in leaf.terms)
    return distances and singular_at_zero(expression, leaf.symbol)


def factors(
    leaf: Leaf, kinds: Sequence[str], X: list[Tensor], Y: list[Tensor], dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """A leaf as ``A B^T + a + b^T``: ``[B, n, q], [B, m, q], [B, n], [B, m]``.

    The norms ``a, b`` belong to the squared distances, None where there are none.
    """
    left, right, x_norm, y_norm = [], [], None, None
    for k, c in leaf.terms:
        x, y = X[k].to(dtype), Y[k].to(dtype)
        right.append(y)
        if kinds[k] == "dot":
            left.append(x * c)
            continue
        left.append(x * (-2 * c))  # c |x - y|^2 = -2c x.y + c |x|^2 + c |y|^2
        a, b = c * x.square().sum(-1), c * y.square().sum(-1)
        x_norm = a if x_norm is None else x_norm + a
        y_norm = b if y_norm is None else y_norm + b
    return torch.cat(left, -1), torch.cat(right, -1), x_norm, y_norm


class Product:
    """``A B^T``: all of a leaf in one matrix product, norms as extra columns."""

    def __init__(
        self,
        leaf: Leaf,
        kinds: Sequence[str],
        X: list[Tensor],
        Y: list[Tensor],
        wide: bool,
        clamp: int,
        spread: float,
        why: str,
    ) -> None:
        self.why = why
        self.clamp = clamp
        dtype = torch.float64 if wide else X[0].dtype
        self.rounding = 32 * torch.finfo(dtype).eps * spread
        A, B, x_norm, y_norm = factors(leaf, kinds, X, Y, dtype)
        left, right = [A], [B]
        if x_norm is not None and y_norm is not None:
            x_norm, y_norm = x_norm[..., None], y_norm[..., None]
            left += [x_norm, torch.ones_like(x_norm)]
            right += [torch.ones_like(y_norm), y_norm]
        self.A = torch.cat(left, -1)  # [B, n, q]
        self.B = torch.cat(right, -1)  # [B, m, q]
        self.buffer = Buffer()

    def coordinates(self) -> Coordinates | None:
        """The columns of ``A`` and ``B``, if they are few."""
        q = self.A.shape[-1]
        if q > FEW or self.clamp or self.A.dtype != torch.float32:
            return None
        return Coordinates("dot", self.A.mT.contiguous(), self.B.mT.contiguous(), (1.0,) * q)

    def fill(self, out: Tensor, b: slice, i: slice, j: slice) -> Tensor:
        """One matrix product; in float64 through a buffer of its own if it is wide."""
        A, B = self.A[b, i], self.B[b, j]
        if self.A.dtype == out.dtype:
            product(A, B.mT, out)
        else:
            out.copy_(product(A, B.mT, self.buffer.take(out.shape, self.A.dtype, out.device)))
        if self.clamp:
            out.clamp_(min=0.0) if self.clamp > 0 else out.clamp_(max=0.0)
        return out


class Difference:
    """Squared distances coordinate by coordinate: nothing cancels."""

    rounding = 0.0

    def __init__(self, leaf: Leaf, X: list[Tensor], Y: list[Tensor], why: str) -> None:
        self.why = why
        # The coefficient goes into the coordinates, its sign into the addition.
        self.sign = [1.0 if c > 0 else -1.0 for k, c in leaf.terms for _ in range(X[k].shape[-1])]
        self.x = torch.cat([X[k] * abs(c) ** 0.5 for k, c in leaf.terms], -1).mT.contiguous()
        self.y = torch.cat([Y[k] * abs(c) ** 0.5 for k, c in leaf.terms], -1).mT.contiguous()
        self.buffer = Buffer()

    def coordinates(self) -> Coordinates:
        """The coordinates themselves."""
        return Coordinates("difference", self.x, self.y, tuple(self.sign))

    def fill(self, out: Tensor, b: slice, i: slice, j: slice) -> Tensor:
        """``out = sum_e sign_e (x_e - y_e)^2``."""
        D = self.buffer.take(out.shape, out.dtype, out.device)
        out.zero_()
        for e, sign in enumerate(self.sign):
            torch.sub(self.x[b, e, i, None], self.y[b, e, None, j], out=D)
            out.addcmul_(D, D, value=sign)
        return out


class Absolute:
    """The L1 distance, coordinate by coordinate."""

    rounding = 0.0
    why = "differences, coordinate by coordinate"

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x.mT.contiguous(), y.mT.contiguous()  # [B, d, n], [B, d, m]
        self.buffer = Buffer()

    def coordinates(self) -> Coordinates:
        """The coordinates themselves."""
        return Coordinates("absolute", self.x, self.y, (1.0,) * self.x.shape[1])

    def fill(self, out: Tensor, b: slice, i: slice, j: slice) -> Tensor:
        """``out = sum_e |x_e - y_e|``."""
        D = self.buffer.take(out.shape, out.dtype, out.device)
        out.zero_()
        for e in range(self.x.shape[1]):
            torch.sub(self.x[b, e, i, None], self.y[b, e, None, j], out=D)
            out.add_(D.abs_())
        return out


class Sign:
    """The sign of the difference of one coordinate."""

    rounding = 0.0
    why = "a difference"

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x[..., 0], y[..., 0]  # [B, n], [B, m]

    def coordinates(self) -> Coordinates:
        """The one coordinate."""
        x, y = self.x[:, None].contiguous(), self.y[:, None].contiguous()
        return Coordinates("sign", x, y, (1.0,))

    def fill(self, out: Tensor, b: slice, i: slice, j: slice) -> Tensor:
        """``out = sign(x - y)``."""
        torch.sub(self.x[b, i, None], self.y[b, None, j], out=out)
        return out.sign_()


class Buffer:
    """Memory that is kept from tile to tile: fresh pages cost more than the arithmetic."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None

    def take(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Memory of this shape, contents undefined; the same memory at every call."""
        size = math.prod(shape)
        if self.memory is None or self.memory.numel() < size:
            self.memory = torch.empty(size, dtype=dtype, device=device)
        return self.memory[:size].view(shape)


def product(A: Tensor, B: Tensor, out: Tensor) -> Tensor:
    """``A B`` into ``out``; a single batch goes to ``mm``, which is quicker than ``bmm``."""
    if A.shape[0] == 1:
        torch.mm(A[0], B[0], out=out[0])
    else:
        torch.bmm(A, B, out=out)
    return out


def largest_norm(x: Tensor, y: Tensor) -> float:
    """The largest squared norm of a point."""
    largest = [p.square().sum(-1).amax().item() for p in (x, y) if p.numel()]
    return max(largest, default=0.0)
