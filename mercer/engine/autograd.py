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
from mercer.engine.formula import Formula, parse
from mercer.engine.mask import Band
from mercer.engine.ops import fold_batch, gradient_now, reduce_now, reduce_op, unfold_batch


class Settings(NamedTuple):
    """What a reduction needs besides tensors; ``S`` scores and ``P`` parameters."""

    formula: str
    lower: int | None
    upper: int | None
    precision: str
    S: int
    P: int

    @property
    def plain(self) -> tuple[str, int | None, int | None, str]:
        """The arguments of the operators."""
        return self.formula, self.lower, self.upper, self.precision

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
    band: Band,
    precision: str,
) -> Tensor:
    """The reduction of one flat batch, ``[B, n, c]``, differentiable to any order."""
    settings = Settings(formula.text, band.lower, band.upper, precision, len(X), len(parameters))
    if torch.compiler.is_compiling():  # the compiler takes the operator as one node
        return reduce_op(X, Y, parameters, V, *settings.plain)
    return _Reduce.apply(settings, *X, *Y, *parameters, V)


class _Reduce(torch.autograd.Function):
    @staticmethod
    def forward(settings: Settings, *tensors: Tensor) -> Tensor:
        return reduce_now(*settings.split(tensors), *settings.plain)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.settings = inputs[0]
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        needs = tuple(ctx.needs_input_grad[1:])
        grads = _Gradient.apply(ctx.settings, needs, *ctx.saved_tensors, cotangents[0])
        return (None, *(g if need else None for g, need in zip(grads, needs)))

    @staticmethod
    def vmap(info: Any, dims: Sequence[Any], settings: Settings, *tensors: Tensor) -> Any:
        v = info.batch_size
        if all(d is None for d in dims[1:-1]):  # more columns of one product
            wide = tensors[-1].movedim(dims[-1], -1).flatten(-2)  # [B, m, c v]
            out = _Reduce.apply(settings, *tensors[:-1], wide)
            return out.unflatten(-1, (-1, v)), 3
        folded = [fold_batch(t, d, v) for t, d in zip(tensors, dims[1:])]
        return unfold_batch(_Reduce.apply(settings, *folded), v), 0


class _Gradient(torch.autograd.Function):
    @staticmethod
    def forward(settings: Settings, needs: tuple[bool, ...], *tensors: Tensor) -> Any:
        U = tensors[-1]
        out = gradient_now(*settings.split(tensors), U.contiguous(), *settings.plain, list(needs))
        return tuple(out)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.settings, ctx.needs, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        """The vector-Jacobian product of the gradient written as reductions."""
        settings, needs = ctx.settings, ctx.needs

        def gradient(*tensors: Tensor) -> tuple[Tensor, ...]:
            X, Y, parameters, V = settings.split(tensors)
            band = Band(settings.lower, settings.upper)
            out = gradient_by_reductions(
                _reducer(settings.precision), parse(settings.formula),
                X, Y, parameters, V, tensors[-1], band, needs,
            )  # fmt: skip
            return tuple(g for g, need in zip(out, needs) if need)

        pull_back = torch.func.vjp(gradient, *ctx.saved_tensors)[1]
        return (None, None, *pull_back(tuple(c for c, need in zip(cotangents, needs) if need)))

    @staticmethod
    def vmap(
        info: Any, dims: Sequence[Any], settings: Settings, needs: Any, *tensors: Tensor
    ) -> Any:
        v = info.batch_size
        folded = [fold_batch(t, d, v) for t, d in zip(tensors, dims[2:])]
        out = _Gradient.apply(settings, needs, *folded)
        out = [unfold_batch(g, v) if need else g.new_empty(v, 0) for g, need in zip(out, needs)]
        return tuple(out), (0,) * len(out)


def _reducer(precision: str) -> Any:
    def reduce(
        f: Formula, X: list[Tensor], Y: list[Tensor], p: list[Tensor], V: Tensor, band: Band
    ) -> Tensor:
        return reduce_batched(f, X, Y, p, V, band, precision)

    return reduce
