"""Which backend runs a reduction: Triton where it can, torch elsewhere.

Shapes: ``X[k] [B, n, d_k]``, ``Y[k] [B, m, d_k]``, ``parameters[k] [B]``, ``V [B, m, c]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mercer.engine import tiles, tiles_gradient
from mercer.engine.formula import Formula
from mercer.engine.native import used_or_refused
from mercer.engine.planner import use_triton
from mercer.engine.settings import Settings

Points = list[Tensor]


def reduce(
    X: Points, Y: Points, parameters: Points, V: Tensor, blocks: Tensor | None, how: Settings
) -> Tensor:
    """``out_i = sum_j F(s(x_i, y_j)) V_j``, ``[B, n, c]``."""
    if runs_on_triton(how.formula, X, how.backend)[0]:
        return _gpu().reduce(X, Y, parameters, V, blocks, how)
    mask = how.mask(blocks)
    return tiles.reduce_tiles(how.formula, X, Y, parameters, V, mask, how.precision, how.backend)


def gradient(
    X: Points,
    Y: Points,
    parameters: Points,
    V: Tensor,
    U: Tensor,
    blocks: Tensor | None,
    how: Settings,
    needs: Sequence[bool],
) -> list[Tensor]:
    """The gradients of ``sum(U * reduce(...))`` marked in ``needs``; the others are empty."""
    if runs_on_triton(how.formula, X, how.backend)[0]:
        return _gpu().gradient(X, Y, parameters, V, U, blocks, how, needs)
    return tiles_gradient.gradient_tiles(
        how.formula, X, Y, parameters, V, U, how.mask(blocks), how.precision, how.backend, needs
    )


def softmax(
    X: Points, Y: Points, parameters: Points, V: Tensor, blocks: Tensor | None, how: Settings
) -> tuple[Tensor, Tensor]:
    """Rows of ``exp(g)`` over their sums, times V, and the logarithm of the sums; Triton alone."""
    return _gpu().softmax(X, Y, parameters, V, blocks, how)


def row_maximum(
    X: Points, Y: Points, parameters: Points, blocks: Tensor | None, how: Settings
) -> Tensor:
    """``max_j F(s(x_i, y_j))`` over the columns that the mask allows, ``[B, n]``."""
    if runs_on_triton(how.formula, X, how.backend)[0]:
        return _gpu().row_maximum(X, Y, parameters, blocks, how)
    return tiles.row_maximum_tiles(
        how.formula, X, Y, parameters, how.mask(blocks), how.precision, how.backend
    )


def explain(formula: Formula, X: Points, Y: Points, parameters: Points, precision: str) -> str:
    """How Triton runs a product with one column."""
    return _gpu().explain(formula, X, Y, parameters, precision)


def runs_on_triton(formula: Formula, X: Points, backend: str) -> tuple[bool, str]:
    """Whether Triton runs a reduction over these points, and why not.

    Raises
    ------
    ValueError
        If the caller named this backend and it cannot evaluate the reduction here.
    """
    wanted, why = use_triton(backend, X[0])
    if wanted and (missing := _gpu().missing(formula)):
        why = f"it cannot evaluate {', '.join(missing)}"
    return used_or_refused(backend, "triton", why), why


def _gpu() -> Any:
    """The Triton backend, imported when it is first wanted."""
    from mercer.engine import gpu

    return gpu
