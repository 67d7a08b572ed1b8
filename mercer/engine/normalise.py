"""Rows divided by their sums."""

from __future__ import annotations

import functools

import sympy
import torch
from torch import Tensor

from mercer import checks
from mercer.engine import planner
from mercer.engine.backend import runs_on_triton
from mercer.engine.evaluate import evaluate, pairwise
from mercer.engine.formula import Formula, parse
from mercer.engine.mask import Mask
from mercer.engine.ops import row_maximum_now, row_maximum_op
from mercer.engine.settings import Settings, settings
from mercer.engine.softmax import shifted, softmax, split_constant
from mercer.engine.sums import flatten, masked, reduce_any


def normalised(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    mask: Mask,
    precision: str,
    backend: str,
) -> Tensor:
    """``sum_j F_ij V_j / sum_j F_ij``.

    ``exp(g)`` is evaluated relative to the largest ``g`` of its row, which changes no quotient:
    by Triton in one pass with a running maximum, elsewhere in two.
    """
    g = exponent_of(formula.text)
    if g is None:
        return composed(formula, X, Y, parameters, V, mask, precision, backend)
    how = settings(g, mask, precision, backend)
    if not _one_pass(how, X, Y, V):
        return composed(formula, X, Y, parameters, V, mask, precision, backend)
    batch, X, Y, parameters, V3 = flatten(X, Y, parameters, V)
    assert V3 is not None

    def again(*tensors: Tensor) -> Tensor:
        S, P = len(X), len(parameters)
        x, y, p = list(tensors[:S]), list(tensors[S : 2 * S]), list(tensors[2 * S : 2 * S + P])
        return composed(formula, x, y, p, tensors[-1], mask, precision, backend)

    out = softmax(how, mask.blocks, again, X, Y, parameters, V3)
    return out.reshape(*batch, *out.shape[-2:])


def _one_pass(g: Settings, X: list[Tensor], Y: list[Tensor], V: Tensor) -> bool:
    """Whether Triton takes this softmax."""
    small = g.backend == "auto" and X[0].shape[-2] * V.shape[-2] <= planner.SMALL
    if small or V.shape[-1] == 0:
        return False
    concrete = all(map(checks.concrete, (*X, *Y, V)))
    return concrete and runs_on_triton(g.formula, X, g.backend)[0]


def composed(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    mask: Mask,
    precision: str,
    backend: str,
) -> Tensor:
    """The same in two passes, the row maximum first: differentiable to any order."""
    g = exponent_of(formula.text)
    if g is not None:
        largest = row_maximum(g, X, Y, parameters, mask, precision, backend)
        formula = shifted(g.text)
        X, Y = [*X, largest[..., None]], [*Y, torch.ones_like(Y[0][..., :1])]
    ones = torch.ones_like(V[..., :1])
    sums = reduce_any(formula, X, Y, parameters, torch.cat([V, ones], -1), mask, precision, backend)
    total = sums[..., -1:]
    return sums[..., :-1] / torch.where(total == 0, 1.0, total)


# Made from a text, once each, as ``softmax.shifted`` is: the compiler takes it as a constant,
# where it could not follow SymPy.
@torch.compiler.assume_constant_result
def exponent_of(text: str) -> Formula | None:
    """The formula of ``g`` where ``text`` is that of ``exp(g)``; else ``None``."""
    return _exponent_of(text)


@functools.lru_cache(maxsize=4096)
def _exponent_of(text: str) -> Formula | None:
    formula = parse(text)
    exponent = log_profile(formula.expression)
    return None if exponent is None else Formula(exponent, formula.kinds, formula.parameters)


def log_profile(expression: sympy.Expr) -> sympy.Expr | None:
    """``g`` if the expression is ``exp(g)``, up to a positive factor; else ``None``."""
    factors = sympy.Mul.make_args(expression)
    if not any(f.func is sympy.exp for f in factors):
        return None
    if not all(f.func is sympy.exp or (f.is_number and f.is_positive) for f in factors):
        return None
    return split_constant(sympy.Add(*(f.args[0] for f in factors if f.func is sympy.exp)))[0]


def row_maximum(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    mask: Mask,
    precision: str,
    backend: str,
) -> Tensor:
    """``max_j F_ij`` over the pairs that the mask allows, ``[*batch, n]``; it has no derivative."""
    X, Y, parameters = ([t.detach() for t in part] for part in (X, Y, parameters))
    if X[0].shape[-2] * Y[0].shape[-2] <= planner.SMALL and backend == "auto":
        K = evaluate(formula, pairwise(formula, X, Y), [p[..., None, None] for p in parameters])
        if K.shape[-1] == 0:
            return K.new_full(K.shape[:-1], -torch.inf)
        return masked(K, mask, -torch.inf).amax(-1)
    batch, X, Y, parameters, _ = flatten(X, Y, parameters, None)
    largest = row_maximum_now if all(map(checks.concrete, (*X, *Y))) else row_maximum_op
    how = settings(formula, mask, precision, backend).text
    out = largest(X, Y, parameters, mask.blocks, how)
    return out.reshape(*batch, -1)
