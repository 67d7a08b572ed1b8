"""Derivatives of the reduction, for autograd and ``torch.func``.

The first derivative is one pass over tiles; a further one differentiates the same gradient written
as reductions (``derivatives.py``), so any order needs memory for the points alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer.engine.derivatives import gradient_by_reductions
from mercer.engine.formula import Formula
from mercer.engine.mask import Mask
from mercer.engine.ops import fold_batch, gradient_now, reduce_now, reduce_op, unfold_batch
from mercer.engine.settings import settings, settings_of


class Call(NamedTuple):
    """A reduction without its tensors: the text of its settings, ``S`` scores, ``P`` parameters."""

    settings: str
    S: int
    P: int

    def split(self, tensors: Sequence[Tensor]) -> tuple[list, list, list, Tensor]:
        """``X, Y, parameters, V`` from a flat list."""
        S, P = self.S, self.P
        t = list(tensors)
        return t[:S], t[S : 2 * S], t[2 * S : 2 * S + P], t[2 * S + P]


def reduce_batched(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    mask: Mask,
    precision: str,
    backend: str,
) -> Tensor:
    """The reduction of one flat batch, ``[B, n, c]``, differentiable to any order."""
    text = settings(formula, mask, precision, backend).text
    if torch.compiler.is_compiling():  # the compiler takes the operator as one node
        return reduce_op(X, Y, parameters, V, mask.blocks, text)
    return _Reduce.apply(Call(text, len(X), len(parameters)), mask.blocks, *X, *Y, *parameters, V)


class _Reduce(torch.autograd.Function):
    @staticmethod
    def forward(call: Call, blocks: Tensor | None, *tensors: Tensor) -> Tensor:
        return reduce_now(*call.split(tensors), blocks, call.settings)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.call, ctx.blocks = inputs[:2]
        ctx.save_for_backward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        needs = tuple(ctx.needs_input_grad[2:])
        grads = _Gradient.apply(ctx.call, ctx.blocks, needs, *ctx.saved_tensors, cotangents[0])
        return (None, None, *(g if need else None for g, need in zip(grads, needs)))

    @staticmethod
    def vmap(
        info: Any, dims: Sequence[Any], call: Call, blocks: Tensor | None, *tensors: Tensor
    ) -> Any:
        v = info.batch_size
        if all(d is None for d in dims[2:-1]):  # more columns of one product
            wide = tensors[-1].movedim(dims[-1], -1).flatten(-2)  # [B, m, c v]
            out = _Reduce.apply(call, blocks, *tensors[:-1], wide)
            return out.unflatten(-1, (-1, v)), 3
        folded = [fold_batch(t, d, v) for t, d in zip(tensors, dims[2:])]
        return unfold_batch(_Reduce.apply(call, blocks, *folded), v), 0


class _Gradient(torch.autograd.Function):
    @staticmethod
    def forward(
        call: Call, blocks: Tensor | None, needs: tuple[bool, ...], *tensors: Tensor
    ) -> Any:
        U = tensors[-1].contiguous()
        return tuple(gradient_now(*call.split(tensors), U, blocks, call.settings, list(needs)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.call, ctx.blocks, ctx.needs, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        """The vector-Jacobian product of the gradient written as reductions."""
        call, needs, how = ctx.call, ctx.needs, settings_of(ctx.call.settings)

        def gradient(*tensors: Tensor) -> tuple[Tensor, ...]:
            X, Y, parameters, V = call.split(tensors)
            out = gradient_by_reductions(
                _reducer(how.precision, how.backend), how.formula,
                X, Y, parameters, V, tensors[-1], how.mask(ctx.blocks), needs,
            )  # fmt: skip
            return tuple(g for g, need in zip(out, needs) if need)

        pull_back = torch.func.vjp(gradient, *ctx.saved_tensors)[1]
        grads = pull_back(tuple(c for c, need in zip(cotangents, needs) if need))
        return (None, None, None, *grads)

    @staticmethod
    def vmap(
        info: Any,
        dims: Sequence[Any],
        call: Call,
        blocks: Tensor | None,
        needs: Any,
        *tensors: Tensor,
    ) -> Any:
        v = info.batch_size
        folded = [fold_batch(t, d, v) for t, d in zip(tensors, dims[3:])]
        out = _Gradient.apply(call, blocks, needs, *folded)
        out = [unfold_batch(g, v) if need else g.new_empty(v, 0) for g, need in zip(out, needs)]
        return tuple(out), (0,) * len(out)


def _reducer(precision: str, backend: str) -> Any:
    def reduce(
        f: Formula, X: list[Tensor], Y: list[Tensor], p: list[Tensor], V: Tensor, mask: Mask
    ) -> Tensor:
        return reduce_batched(f, X, Y, p, V, mask, precision, backend)

    return reduce
