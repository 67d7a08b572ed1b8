"""What the engine computes, written for reading: every backend must match it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import sympy
import torch
from torch import Tensor

from mercer.engine.formula import Formula
from mercer.engine.mask import Mask
from mercer.engine.program import CUSTOM


def reduce(
    formula: Formula,
    X: Sequence[Tensor],
    Y: Sequence[Tensor],
    parameters: Sequence[Tensor],
    V: Tensor,
    mask: Mask | None = None,
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
    P = [p[..., None, None] for p in parameters]
    K = value(formula.expression, dict(zip([*formula.symbols, *formula.parameter_symbols], S + P)))
    return torch.as_tensor(K).expand(torch.broadcast_shapes(*(s.shape for s in S)))


def _fresh(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of our own with its result in fresh memory."""

    def call(*arguments: float | Tensor) -> Tensor:
        like = next(a for a in arguments if isinstance(a, Tensor))
        return function(*arguments, out=torch.empty_like(like))

    return call


def value(e: sympy.Expr, at: dict[sympy.Symbol, Tensor]) -> Tensor:
    """The expression where its symbols have the values ``at``."""
    if e in at:
        return at[e]
    if e.is_number:
        return torch.tensor(float(e), dtype=torch.float64)
    name = e.func.__name__
    if name in CUSTOM:
        return _fresh(CUSTOM[name])(*(float(a) if a.is_number else value(a, at) for a in e.args))
    args = [value(a, at) for a in e.args]
    f = FUNCTION[name]
    return f(args[0]) if len(args) == 1 else functools.reduce(f, args)


def difference(x: Tensor, y: Tensor) -> Tensor:
    """``x_i - y_j``: ``[*b, n, 1, d] - [*b, 1, m, d]``."""
    return x[..., :, None, :] - y[..., None, :, :]


FUNCTION = {
    "Add": torch.add,
    "Mul": torch.mul,
    "Pow": torch.pow,
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Abs": torch.abs,
} | {f: getattr(torch, f) for f in ("exp", "log", "sin", "cos", "acos", "asin", "tanh", "sign")}
SCORE = {
    "squared_distance": lambda x, y: difference(x, y).square().sum(-1),
    "l1_distance": lambda x, y: difference(x, y).abs().sum(-1),
    "dot": lambda x, y: x @ y.mT,
    "sign": lambda x, y: difference(x, y).sign().sum(-1),
}
