"""The softmax of rows in one pass, and its derivative."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import sympy
import torch
from torch import Tensor

from mercer.engine import backend
from mercer.engine.formula import Formula, parse, score_symbol
from mercer.engine.ops import gradient_now
from mercer.engine.settings import Settings, settings


def softmax(
    how: Settings,
    blocks: Tensor | None,
    again: Callable[..., Tensor],
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
) -> Tensor:
    """``sum_j P_ij V_j`` with ``P = exp(g)`` over its row sums; ``g`` is the formula of ``how``.

    ``again`` computes the same from the tensors as a composition that can be differentiated twice.
    """
    return _Softmax.apply(how, blocks, again, len(X), len(parameters), *X, *Y, *parameters, V)


@torch.compiler.assume_constant_result
def shifted(text: str) -> Formula:
    """``exp(g - s)`` where ``text`` is that of ``g`` and s is one more score, a dot product."""
    return _shifted(text)


@functools.lru_cache(maxsize=4096)
def _shifted(text: str) -> Formula:
    g = parse(text)
    shift = score_symbol(len(g.kinds), "dot")
    return Formula(sympy.exp(g.expression - shift), (*g.kinds, "dot"), g.parameters)


def split_constant(exponent: sympy.Expr) -> tuple[sympy.Expr, float]:
    """``g`` and c of ``g + c``: SymPy draws c out of ``exp(g + c)``, where it may overflow."""
    if not exponent.free_symbols:
        return exponent, 0.0
    c, g = exponent.as_independent(*exponent.free_symbols, as_Add=True)
    return g, float(c)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        how: Settings,
        blocks: Tensor | None,
        again: Callable[..., Tensor],
        S: int,
        P: int,
        *tensors: Tensor,
    ) -> Tensor:
        X, Y = list(tensors[:S]), list(tensors[S : 2 * S])
        parameters, V = list(tensors[2 * S : 2 * S + P]), tensors[-1]
        out, log_sum = backend.softmax(X, Y, parameters, V, blocks, how)
        ctx.save_for_backward(*tensors, out, log_sum)
        ctx.how, ctx.blocks, ctx.again, ctx.S, ctx.P = how, blocks, again, S, P
        return out

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        *tensors, out, log_sum = ctx.saved_tensors
        needs = ctx.needs_input_grad[5:]
        if torch.is_grad_enabled():  # a derivative of this derivative may be asked for
            wanted = [t for t, need in zip(tensors, needs) if need]
            found = iter(
                torch.autograd.grad(ctx.again(*tensors), wanted, cotangents[0], create_graph=True)
            )
            return (*[None] * 5, *(next(found) if need else None for need in needs))
        grads = _gradient(ctx, tensors, out, log_sum, cotangents[0])
        return (*[None] * 5, *(g if need else None for g, need in zip(grads, needs)))


def _gradient(
    ctx: Any, tensors: list[Tensor], out: Tensor, log_sum: Tensor, U: Tensor
) -> list[Tensor]:
    """``dL/dg_ij = P_ij (U_i . V_j - U_i . out_i)``: a reduction's gradient, one column wider.

    ``P = exp(g - log_sum)``, the row's ``log_sum`` as one more dot-product score.
    """
    S, P, how = ctx.S, ctx.P, ctx.how
    X, Y, parameters = tensors[:S], tensors[S : 2 * S], tensors[2 * S : 2 * S + P]
    V, g = tensors[-1], how.formula
    F = shifted(g.text)
    ones = torch.ones_like(V[..., :1])
    U_out = (U * out).sum(-1, keepdim=True)
    needs = list(ctx.needs_input_grad[5:])
    needs = [*needs[:S], False, *needs[S : 2 * S], False, *needs[2 * S :]]
    text = settings(F, how.mask(None), how.precision, how.backend).text
    grads = gradient_now(
        [*X, log_sum[..., None]], [*Y, ones], parameters, torch.cat([V, ones], -1),
        torch.cat([U, -U_out], -1), ctx.blocks, text, needs,
    )  # fmt: skip
    dx, dy, rest = grads[:S], grads[S + 1 : 2 * S + 1], grads[2 * S + 2 :]
    dv = rest.pop()
    return [*dx, *dy, *rest, dv[..., :-1] if needs[-1] else dv]
