"""Four collectives that autograd knows.

A *replicated* tensor is the same on every rank, and so is its gradient; a *partial* or *local* one
belongs to the rank. Each function's derivative is another of the four, so all orders exist:

======== ========================== ==========
function from, to                   derivative
======== ========================== ==========
share    replicated to partial use  total
total    partial sums to replicated share
gather   local rows to replicated   own
own      replicated to local rows   gather
======== ========================== ==========

M. Shoeybi et al., "Megatron-LM: Training Multi-Billion Parameter Language Models Using Model
Parallelism", section 3, https://arxiv.org/abs/1909.08053, names the first pair f and g.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.autograd import Function

from mercer.operators.ranks import Ranks


def share(ranks: Ranks, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Replicated tensors as each rank may use them for its part: gradients are summed over ranks.

    Parameters
    ----------
    ranks : Ranks
        Who takes part.
    *tensors : Tensor
        The same on every rank.

    Returns
    -------
    tuple of Tensor
        The same values.
    """
    return _Share.apply(ranks, *tensors) if tensors else ()


def total(ranks: Ranks, part: Tensor) -> Tensor:
    """The sum over ranks of their parts, replicated."""
    return _Total.apply(ranks, part)


def gather(ranks: Ranks, sizes: Sequence[int], local: Tensor) -> Tensor:
    """The rows of all ranks, ``[*batch, sizes[rank], c] -> [*batch, sum(sizes), c]``."""
    return _Gather.apply(ranks, tuple(sizes), local)


def own(ranks: Ranks, sizes: Sequence[int], whole: Tensor) -> Tensor:
    """The rows of this rank, ``[*batch, sum(sizes), c] -> [*batch, sizes[rank], c]``."""
    return _Own.apply(ranks, tuple(sizes), whole)


class _Share(Function):
    @staticmethod
    def forward(ranks: Ranks, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.ranks = inputs[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        needs = ctx.needs_input_grad[1:]
        return (None, *(total(ctx.ranks, g) if need else None for g, need in zip(gradients, needs)))

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], ranks: Ranks, *tensors: Tensor) -> Any:
        return _Share.apply(ranks, *tensors), dims[1:]


class _Total(Function):
    @staticmethod
    def forward(ranks: Ranks, part: Tensor) -> Tensor:
        return ranks.sum(part)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.ranks = inputs[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return None, *share(ctx.ranks, *gradients)

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], ranks: Ranks, part: Tensor) -> Any:
        return _Total.apply(ranks, part), dims[1]


class _Gather(Function):
    @staticmethod
    def forward(ranks: Ranks, sizes: tuple[int, ...], local: Tensor) -> Tensor:
        return ranks.gather(local, sizes)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.ranks, ctx.sizes, _ = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return None, None, own(ctx.ranks, ctx.sizes, gradients[0])

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], ranks: Ranks, sizes: Any, local: Tensor) -> Any:
        return _Gather.apply(ranks, sizes, local.movedim(dims[2], 0)), 0


class _Own(Function):
    @staticmethod
    def forward(ranks: Ranks, sizes: tuple[int, ...], whole: Tensor) -> Tensor:
        return whole[..., ranks.part(sizes), :].clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.ranks, ctx.sizes, _ = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return None, None, gather(ctx.ranks, ctx.sizes, gradients[0])

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], ranks: Ranks, sizes: Any, whole: Tensor) -> Any:
        return _Own.apply(ranks, sizes, whole.movedim(dims[2], 0)), 0
