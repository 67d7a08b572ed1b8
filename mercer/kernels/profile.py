"""A kernel taken apart: an expression, the scores it reads, the points each score is taken of."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import sympy
from torch import Tensor

from mercer.engine.formula import Formula, parameter_symbol, score_symbol
from mercer.operators import KernelOperator

s = score_symbol(0, "squared_distance")
"""Squared distance: write profiles of smooth kernels in it."""
r = sympy.sqrt(s)
"""Distance."""
l1 = score_symbol(0, "l1_distance")
"""L1 distance."""
t = score_symbol(0, "dot")
"""Dot product."""
p = parameter_symbol
"""``p(0), p(1), ...``: the parameters of a profile."""

Warp = Callable[[Tensor], Tensor]
Operation = Callable[[sympy.Expr, sympy.Expr], sympy.Expr]


@dataclass(frozen=True)
class Profile:
    """``F(s_0, s_1, ...; p_0, ...)``, ``s_k`` taken between ``warps[k](x)`` and ``warps[k](y)``.

    Parameters
    ----------
    formula : Formula
        The expression and the kinds of its scores.
    warps : tuple of callables
        One per score: ``[*b, n, d] -> [*b, n, d_k]``.
    parameters : tuple of Tensor
        One per parameter, shapes ``(*b)``.
    """

    formula: Formula
    warps: tuple[Warp, ...]
    parameters: tuple[Tensor, ...] = ()

    def combine(self, other: Profile, operation: Operation) -> Profile:
        """Both profiles over the scores of both, in one expression."""
        formula = combined(self.formula, other.formula, operation)
        return Profile(formula, self.warps + other.warps, self.parameters + other.parameters)

    def power(self, exponent: int) -> Profile:
        """The profile to a power."""
        return Profile(_power(self.formula, exponent), self.warps, self.parameters)

    def times(self, factor: Tensor) -> Profile:
        """The profile times a parameter."""
        return Profile(_times_parameter(self.formula), self.warps, (*self.parameters, factor))


# A formula carries caches of its own (its text, its derivatives), so equal ones are made once.


@functools.lru_cache(maxsize=1024)
def formula(profile: sympy.Expr, kinds: tuple[str, ...], parameters: int) -> Formula:
    """The formula of a profile."""
    return Formula(profile, kinds, parameters)


@functools.lru_cache(maxsize=1024)
def combined(first: Formula, second: Formula, operation: Operation) -> Formula:
    """An operation on two formulas; the scores and parameters of the second come after."""
    S, P = len(first.kinds), first.parameters
    moved = {
        symbol: score_symbol(S + k, kind)
        for k, (symbol, kind) in enumerate(zip(second.symbols, second.kinds))
    }
    moved |= {q: parameter_symbol(P + k) for k, q in enumerate(second.parameter_symbols)}
    return Formula(
        operation(first.expression, second.expression.subs(moved, simultaneous=True)),
        first.kinds + second.kinds,
        P + second.parameters,
    )


@functools.lru_cache(maxsize=1024)
def _power(f: Formula, exponent: int) -> Formula:
    return Formula(f.expression**exponent, f.kinds, f.parameters)


@functools.lru_cache(maxsize=1024)
def _times_parameter(f: Formula) -> Formula:
    return Formula(f.expression * parameter_symbol(f.parameters), f.kinds, f.parameters + 1)


def profile_operator(parts: Profile, X: Tensor, Y: Tensor | None, precision: str) -> KernelOperator:
    """The operator of a profile; ``Y`` is ``None`` when it is ``X``."""
    left = [warp(X) for warp in parts.warps]
    right = left if Y is None else [warp(Y) for warp in parts.warps]
    parameters = [q.to(X) for q in parts.parameters]
    tags = {"symmetric", "psd"} if Y is None else ()
    return KernelOperator(parts.formula, left, right, parameters, precision=precision, tags=tags)
