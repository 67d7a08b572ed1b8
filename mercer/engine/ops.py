"""The loops over tiles as torch operators that ``torch.compile`` and ``vmap`` see as one call.

Shapes: ``X[k] [B, n, d_k]``, ``Y[k] [B, m, d_k]``, ``parameters[k] [B]``, ``V [B, m, c]``; what is
not a tensor travels as the text of ``Settings``. Derivatives are in ``autograd.py``.
Outside compiled regions the plain functions ``*_now`` are called: an operator's first call imports
the compiler.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mercer.engine import backend
from mercer.engine.settings import settings_of

# torch reads the annotations to make the operators' schemas.


def reduce_now(
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    blocks: Tensor | None,
    settings: str,
) -> Tensor:
    """``out_i = sum_j F(s(x_i, y_j)) V_j``, ``[B, n, c]``."""
    return backend.reduce(X, Y, parameters, V, blocks, settings_of(settings))


def gradient_now(
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    U: Tensor,
    blocks: Tensor | None,
    settings: str,
    needs: list[bool],
) -> list[Tensor]:
    """The gradients of ``sum(U * reduce(...))`` marked in ``needs``; the others are empty."""
    return backend.gradient(X, Y, parameters, V, U, blocks, settings_of(settings), needs)


def row_maximum_now(
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    blocks: Tensor | None,
    settings: str,
) -> Tensor:
    """``max_j F(s(x_i, y_j))``, ``[B, n]``; it has no derivative."""
    return backend.row_maximum(X, Y, parameters, blocks, settings_of(settings))


reduce_op = torch.library.custom_op("mercer::reduce", reduce_now, mutates_args=())
gradient_op = torch.library.custom_op("mercer::reduce_gradient", gradient_now, mutates_args=())
row_maximum_op = torch.library.custom_op("mercer::row_maximum", row_maximum_now, mutates_args=())


@reduce_op.register_fake
def _(X: Any, Y: Any, parameters: Any, V: Tensor, *rest: Any) -> Tensor:
    return V.new_empty(V.shape[0], X[0].shape[-2], V.shape[-1])


@gradient_op.register_fake
def _(
    X: Any, Y: Any, parameters: Any, V: Tensor, U: Tensor, blocks: Any, settings: str,
    needs: list[bool],
) -> list[Tensor]:  # fmt: skip
    every = [*X, *Y, *parameters, V]
    return [torch.empty_like(t) if need else t.new_empty(0) for t, need in zip(every, needs)]


@row_maximum_op.register_fake
def _(X: Any, *rest: Any) -> Tensor:
    return X[0].new_empty(X[0].shape[0], X[0].shape[-2])


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    X, Y, parameters, V, blocks, ctx.settings = inputs
    ctx.save_for_backward(*X, *Y, *parameters, V, blocks)
    ctx.S, ctx.P = len(X), len(parameters)
    ctx.needs = [t.requires_grad for t in (*X, *Y, *parameters, V)]


def _backward(ctx: Any, U: Tensor) -> tuple[Any, ...]:
    """The first derivative inside compiled regions, which know no second one."""
    S, P = ctx.S, ctx.P
    *t, blocks = ctx.saved_tensors
    X, Y, parameters, V = t[:S], t[S : 2 * S], t[2 * S : 2 * S + P], t[-1]
    grads = gradient_op(X, Y, parameters, V, U.contiguous(), blocks, ctx.settings, ctx.needs)
    given = [g if need else None for g, need in zip(grads, ctx.needs)]
    return (given[:S], given[S : 2 * S], given[2 * S : 2 * S + P], given[-1], None, None)


reduce_op.register_autograd(_backward, setup_context=_setup)


def fold_batch(t: Tensor, dim: int | None, v: int) -> Tensor:
    """``[v, B, ...] -> [v B, ...]``, expanded where the argument has no vmap dimension."""
    t = t.unsqueeze(0).expand(v, *t.shape) if dim is None else t.movedim(dim, 0)
    return t.reshape(v * t.shape[1], *t.shape[2:])


def unfold_batch(t: Tensor, v: int) -> Tensor:
    """``[v B, ...] -> [v, B, ...]``."""
    return t.reshape(v, t.shape[0] // v, *t.shape[1:])


@row_maximum_op.register_vmap
def _(info: Any, dims: Sequence[Any], *args: Any) -> tuple[Tensor, int]:
    v = info.batch_size
    folded = [
        [fold_batch(t, d, v) for t, d in zip(part, part_dims or [None] * len(part))]
        for part, part_dims in zip(args[:3], dims[:3])
    ]
    return unfold_batch(row_maximum_op(*folded, *args[3:]), v), 0
