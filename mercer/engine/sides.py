"""The gradient of a reduction as two passes of sums: over the columns of each row for X, over the
rows of each column for Y, the parameters and V.

``d/dx_i sum_ij F_ij T_ij`` with ``T_ij = U_i . V_j`` is a sum over j of ``dF/ds T`` against the
other points: profiles of the same scores and one more, so one pass evaluates them together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sympy
import torch
from torch import Tensor

from mercer.engine.formula import Formula, score_symbol
from mercer.engine.leaves import centred
from mercer.engine.mask import Mask

Points = list[Tensor]


@dataclass(frozen=True)
class Sum:
    """``sum_j F_ij V_j`` for one expression; ``how`` names another way to reduce the row.

    For a softmax the expression is the exponent of 2.
    """

    expression: sympy.Expr
    V: Tensor  # [B, m, c]
    how: str = "sum"  # sum, maximum or softmax


Launch = Callable[[Formula, list[Sum], Points, Points, Points, Mask], Points | None]
"""Evaluates sums over the same scores, ``[B, n, c]`` each; None if it does not take them."""


def gradient_by_sides(
    launch: Launch,
    formula: Formula,
    X: Points,
    Y: Points,
    parameters: Points,
    V: Tensor,
    U: Tensor,
    mask: Mask,
    needs: Sequence[bool],
    takes: Callable[[list[Sum]], bool] = lambda sums: True,
) -> list[Tensor] | None:
    """The gradients of ``sum(U * reduce(...))`` marked in ``needs``; the others are empty.

    None if ``launch`` takes no such sums, which ``takes`` may say of either side beforehand.
    """
    S, P = len(X), len(parameters)
    rows = _Side(formula, X, Y, U, V, mask)
    columns = _Side(formula.transposed, Y, X, V, U, mask.transposed)
    for k in range(S):
        rows.points(k, needs[k])
        columns.points(k, needs[S + k])
    for k in range(P):
        columns.parameter(k, needs[2 * S + k])
    columns.values(needs[-1])
    if not (takes(rows.sums) and takes(columns.sums)):
        return None
    left = rows.run(launch, parameters)
    right = None if left is None else columns.run(launch, parameters)
    if left is None or right is None:
        return None
    dx, (dy, dp, dv) = left[0], right
    return [*dx, *dy, *dp, V.new_empty(0) if dv is None else dv]


class _Side:
    """The sums of one pass over j for each row i.

    ``T_ij = U_i . V_j`` is one more score; of a single column it is a factor of the row times one
    of the column, and no score is needed.
    """

    def __init__(
        self, formula: Formula, X: Points, Y: Points, U: Tensor, V: Tensor, mask: Mask
    ) -> None:
        self.formula, self.U, self.V, self.mask = formula, U, V, mask
        # Differences of sums, 2 (x sum_j W - sum_j W y), lose least around the origin.
        self.X, self.Y = centred(formula.kinds, X, Y)
        self.sums: list[Sum] = []
        self.kinds = list(formula.kinds)
        self.more: list[tuple[Tensor, Tensor]] = []  # points of further scores
        self.single = V.shape[-1] == 1
        if not self.single:
            self.T = self._score("dot", U, V)
        self.finish: list[tuple[str, int, slice]] = []  # what becomes of the sums

    def points(self, k: int, needed: bool) -> None:
        """The gradient in the points of score k on this side."""
        F, kind, x, y = self.formula, self.formula.kinds[k], self.X[k], self.Y[k]
        if not needed or kind == "sign":
            self.finish.append(("zero" if needed else "empty", k, slice(0)))
            return
        slope = F.derivative(F.symbols[k]).expression
        start = len(self.sums)
        if kind == "l1_distance":
            for e in range(x.shape[-1]):
                sign = self._score("sign", x[..., e : e + 1], y[..., e : e + 1])
                self._add(slope * sign, None)
        else:
            self._add(slope, y)
            if kind == "squared_distance":
                self._add(slope, None)
        self.finish.append((kind, k, slice(start, len(self.sums))))

    def parameter(self, k: int, needed: bool) -> None:
        """The gradient in parameter k."""
        start = len(self.sums)
        if needed:
            self._add(self.formula.derivative(self.formula.parameter_symbols[k]).expression, None)
        self.finish.append(("parameter" if needed else "empty", k, slice(start, len(self.sums))))

    def values(self, needed: bool) -> None:
        """The gradient in the right-hand side."""
        if needed:
            start = len(self.sums)
            F = self.formula.expression
            self.sums.append(Sum(F, self.V))
            self.finish.append(("values", 0, slice(start, start + 1)))

    def _score(self, kind: str, x: Tensor, y: Tensor) -> sympy.Symbol:
        """One more score."""
        self.kinds.append(kind)
        self.more.append((x, y))
        return score_symbol(len(self.kinds) - 1, kind)

    def _add(self, expression: sympy.Expr, columns: Tensor | None) -> None:
        """``sum_j e_ij T_ij columns_j``; without columns, ``sum_j e_ij T_ij``."""
        if self.single:
            V = self.V if columns is None else self.V * columns
            self.sums.append(Sum(expression, V))
        else:
            ones = self.V.new_ones(*self.V.shape[:-1], 1)
            self.sums.append(Sum(expression * self.T, ones if columns is None else columns))

    def run(
        self, launch: Launch, parameters: Points
    ) -> tuple[Points, Points, Tensor | None] | None:
        """The gradients in points, parameters and values."""
        formula = Formula(sympy.Integer(0), tuple(self.kinds), len(parameters))
        X = [*self.X, *(x for x, _ in self.more)]
        Y = [*self.Y, *(y for _, y in self.more)]
        results = launch(formula, self.sums, X, Y, parameters, self.mask) if self.sums else []
        if results is None:
            return None
        points: Points = []
        scalars: Points = []
        values: Tensor | None = None
        for what, k, where in self.finish:
            found = results[where]
            if what == "values":
                values = found[0]
                continue
            if self.single:
                found = [self.U * f for f in found]
            if what == "parameter":
                scalars.append(found[0].double().sum((-2, -1)).to(parameters[k]))
            elif what in ("empty", "zero"):
                target = points if len(points) < len(self.X) else scalars
                empty = self.X[0].new_empty(0)
                target.append(empty if what == "empty" else torch.zeros_like(self.X[k]))
            else:
                points.append(_point_gradient(what, self.X[k], found))
        return points, scalars, values


def _point_gradient(kind: str, x: Tensor, found: Points) -> Tensor:
    if kind == "squared_distance":
        return 2 * (x * found[1] - found[0])
    return found[0] if kind == "dot" else torch.cat(found, -1)
