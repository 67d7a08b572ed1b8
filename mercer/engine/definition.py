"""What the engine computes, written for reading: every backend must match it."""

from __future__ import annotations

from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer.engine.formula import Formula
from mercer.engine.mask import Band


def reduce(
    formula: Formula,
    X: Sequence[Tensor],
    Y: Sequence[Tensor],
    parameters: Sequence[Tensor],
    V: Tensor,
    mask: Band | None = None,
    normalise: bool = False,
) -> Tensor:
    """``out_i = sum_j F(s_0(x_i, y_j), ...) V_j``, with all of the matrix in memory.

    Shapes: ``X[k]`` is ``[*b, n, d_k]``, ``Y[k]`` is ``[*b, m, d_k]``, ``V`` is ``[*b, m, c]``.
    """
    K = dense(formula, X, Y, parameters)  # [*b, n, m]
    if mask is not None:
        i, j = torch.arange(K.shape[-2])[:, None], torch.arange(K.shape[-1])
        K = torch.where(mask.allows(i, j).to(K.device), K, 0.0)
    if normalise:
        K = K / K.sum(-1, keepdim=True)
    return K @ V


def dense(
    formula: Formula, X: Sequence[Tensor], Y: Sequence[Tensor], parameters: Sequence[Tensor]
) -> Tensor:
    """The matrix ``F(s(x_i, y_j))``."""
    S = [SCORE[kind](x, y) for kind, x, y in zip(formula.kinds, X, Y)]
    names = [*formula.symbols, *formula.parameter_symbols]
    F = sympy.lambdify(names, _decimals(formula.expression), modules=[torch])
    K = F(*S, *(p[..., None, None] for p in parameters))
    return torch.as_tensor(K).expand(torch.broadcast_shapes(*(s.shape for s in S)))


def _decimals(e: sympy.Expr) -> sympy.Expr:
    """Numbers such as ``sqrt(3)`` as decimals: torch has no functions of plain numbers."""
    if e.is_number:
        return e if e.is_Integer else sympy.N(e, 20)
    return e.func(*map(_decimals, e.args)) if e.args else e


def difference(x: Tensor, y: Tensor) -> Tensor:
    """``x_i - y_j``: ``[*b, n, 1, d] - [*b, 1, m, d]``."""
    return x[..., :, None, :] - y[..., None, :, :]


SCORE = {
    "squared_distance": lambda x, y: difference(x, y).square().sum(-1),
    "l1_distance": lambda x, y: difference(x, y).abs().sum(-1),
    "dot": lambda x, y: x @ y.mT,
    "sign": lambda x, y: difference(x, y).sign().sum(-1),
}
