"""A kernel taken apart: an expression, the scores it reads, the points each score is taken of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy
from torch import Tensor

from mercer.engine.formula import Formula, combine, formula_of, parameter_symbol, score_symbol

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


@dataclass(frozen=True)
class Profile:
    """``F(s_0, s_1, ...; p_0, ...)`` with ``s_k`` taken between ``warps[k](x)`` and ``warps[k](y)``.

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

    def combine(
        self, other: Profile, operation: Callable[[sympy.Expr, sympy.Expr], sympy.Expr]
    ) -> Profile:
        """Both profiles over the scores of both, in one expression."""
        formula = combine(self.formula, other.formula, operation)
        return Profile(formula, self.warps + other.warps, self.parameters + other.parameters)

    def map(self, function: Callable[[sympy.Expr], sympy.Expr]) -> Profile:
        """The profile with a function applied to its expression."""
        f = self.formula
        changed = formula_of(function(f.expression), f.kinds, f.parameters)
        return Profile(changed, self.warps, self.parameters)

    def times(self, factor: Tensor) -> Profile:
        """The profile times a parameter."""
        f = self.formula
        factor_symbol = parameter_symbol(f.parameters)
        scaled = formula_of(f.expression * factor_symbol, f.kinds, f.parameters + 1)
        return Profile(scaled, self.warps, (*self.parameters, factor))
