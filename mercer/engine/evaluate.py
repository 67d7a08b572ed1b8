"""A formula evaluated entry by entry, differentiable to any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mercer.checks import concrete
from mercer.engine.fold import fold
from mercer.engine.formula import Formula, parse, singular_at_zero
from mercer.engine.planner import LOW_DIMENSION
from mercer.engine.program import compile_program


def evaluate(
    formula: Formula,
    scores: Sequence[Tensor],
    parameters: Sequence[Tensor],
    *,
    overwrite: bool = False,
) -> Tensor:
    """``F(s_0, s_1, ...; p)`` for scores and parameters that broadcast against each other.

    With ``overwrite`` the memory of the scores may be used for the result.
    """
    values = (*scores, *parameters)
    if not _recorded(*values):  # spare small problems the ceremony
        return _evaluate_now(formula, scores, parameters, overwrite)
    if torch.compiler.is_compiling():  # the compiler takes the operator as one node
        return evaluate_op(formula.text, list(scores), list(parameters))
    return _Evaluate.apply(formula.text, *scores, *parameters)


def pairwise(formula: Formula, X: Sequence[Tensor], Y: Sequence[Tensor]) -> list[Tensor]:
    """The scores of all pairs: ``[*b, n, d] , [*b, m, d] -> [*b, n, m]``, differentiable."""
    return [_PAIRWISE[kind](x, y) for kind, x, y in zip(formula.kinds, X, Y)]


def paired(formula: Formula, X: Sequence[Tensor], Y: Sequence[Tensor]) -> list[Tensor]:
    """The scores of point by point: ``[..., d] , [..., d] -> [...]``, differentiable."""
    return [_PAIRED[kind](x - y) if kind != "dot" else (x * y).sum(-1)
            for kind, x, y in zip(formula.kinds, X, Y)]  # fmt: skip


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    if not _recorded(x, y):  # one call, by differences; it has no second derivative
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square_()
    if x.shape[-1] <= LOW_DIMENSION:
        return (x[..., :, None, :] - y[..., None, :, :]).square().sum(-1)
    same = x is y
    middle = y.mean(-2, keepdim=True)
    x = (x - middle).double()  # in float64 nothing visible cancels
    y = x if same else (y - middle).double()
    norms = x.square().sum(-1)[..., :, None] + y.square().sum(-1)[..., None, :]
    s = norms - 2 * (x @ y.mT)
    # Rounding below zero is mended in the value alone: a clamp would cut the derivatives there.
    return (s + (-s).detach().clamp(min=0)).to(middle.dtype)


def _recorded(*values: Tensor) -> bool:
    """Whether autograd, ``torch.func`` or the compiler follows these tensors."""
    if torch.is_grad_enabled() and any(v.requires_grad for v in values):
        return True
    return not all(map(concrete, values))


_PAIRED: dict[str, Any] = {
    "squared_distance": lambda difference: difference.square().sum(-1),
    "l1_distance": lambda difference: difference.abs().sum(-1),
    "sign": lambda difference: difference.sign().sum(-1),
}
_PAIRWISE: dict[str, Any] = {
    "squared_distance": _squared_distances,
    "l1_distance": lambda x, y: (x[..., :, None, :] - y[..., None, :, :]).abs().sum(-1),
    "dot": lambda x, y: x @ y.mT,
    "sign": lambda x, y: (x[..., :, None, :] - y[..., None, :, :]).sign().sum(-1),
}


@torch.library.custom_op("mercer::evaluate", mutates_args=())
def evaluate_op(text: str, scores: list[Tensor], parameters: list[Tensor]) -> Tensor:
    """The formula for scores and parameters that broadcast against each other."""
    return _evaluate_now(parse(text), scores, parameters)


def _evaluate_now(
    formula: Formula,
    scores: Sequence[Tensor],
    parameters: Sequence[Tensor],
    overwrite: bool = False,
) -> Tensor:
    shape = _common_shape([*scores, *parameters])
    # Nothing is combined here: kinds that never combine make every score a leaf of its own.
    opaque = ("l1_distance",) * len(scores)
    (folded,), leaves = fold((formula.expression,), opaque, tuple(formula.symbols))
    program = compile_program(
        (folded,), tuple(leaf.symbol for leaf in leaves), tuple(formula.parameter_symbols)
    )
    singular = [
        scores[k] <= 0
        for k, (symbol, kind) in enumerate(zip(formula.symbols, formula.kinds))
        if "distance" in kind and singular_at_zero(formula.expression, symbol)
    ]
    tiles = [_own(scores[leaf.terms[0][0]], shape, overwrite) for leaf in leaves]
    (out,) = program(tiles, parameters, like=scores[0].expand(shape))
    for at_zero in singular:
        out.masked_fill_(at_zero, 0.0)
    return out


def _common_shape(values: Sequence[Tensor]) -> torch.Size:
    shape = values[0].shape
    if all(v.shape == shape for v in values):
        return shape
    return torch.broadcast_shapes(*(v.shape for v in values))


def _own(score: Tensor, shape: torch.Size, overwrite: bool) -> Tensor:
    """The score as memory that may be written: ``out=`` arguments must be whole and unshared."""
    if overwrite and score.shape == shape and score.is_contiguous():
        return score
    return score.expand(shape).clone(memory_format=torch.contiguous_format)


@evaluate_op.register_fake
def _(text: str, scores: list[Tensor], parameters: list[Tensor]) -> Tensor:
    shape = torch.broadcast_shapes(*(v.shape for v in (*scores, *parameters)))
    return scores[0].new_empty(shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.text, scores, parameters = inputs
    ctx.save_for_backward(*scores, *parameters)
    ctx.needs = [t.requires_grad for t in (*scores, *parameters)]


def _slopes(text: str, values: Sequence[Tensor], needs: Sequence[bool], U: Tensor) -> list[Any]:
    """``U dF/dvalue`` for every value that needs it."""
    formula = parse(text)
    names = [*formula.symbols, *formula.parameter_symbols]
    S = len(formula.kinds)
    return [
        (evaluate(formula.derivative(name), values[:S], values[S:]) * U).sum_to_size(value.shape)
        if need
        else None
        for name, value, need in zip(names, values, needs)
    ]


def _backward(ctx: Any, U: Tensor) -> tuple[Any, ...]:
    S = len(parse(ctx.text).kinds)
    grads = _slopes(ctx.text, ctx.saved_tensors, ctx.needs, U)
    return None, grads[:S], grads[S:]


evaluate_op.register_autograd(_backward, setup_context=_setup)


class _Evaluate(torch.autograd.Function):
    """The profile; its derivative is the profile's symbolic derivative, evaluated the same way."""

    @staticmethod
    def forward(text: str, *values: Tensor) -> Tensor:
        S = len(parse(text).kinds)
        return _evaluate_now(parse(text), values[:S], values[S:])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.text = inputs[0]
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        grads = _slopes(ctx.text, ctx.saved_tensors, ctx.needs_input_grad[1:], cotangents[0])
        return (None, *grads)

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], text: str, *values: Tensor) -> tuple[Tensor, int]:
        rank = max(v.ndim - (d is not None) for v, d in zip(values, dims[1:]))
        moved = []
        for v, d in zip(values, dims[1:]):
            if d is not None:
                v = v.movedim(d, 0)
                v = v.reshape(v.shape[0], *[1] * (rank + 1 - v.ndim), *v.shape[1:])
            moved.append(v)
        return _Evaluate.apply(text, *moved), 0
