"""Reductions and their gradients on the Triton backend."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer.engine.fold import fold
from mercer.engine.formula import Formula, score_symbol
from mercer.engine.gpu.launch import COLUMNS, Sum, launch
from mercer.engine.gpu.operands import DIRECT
from mercer.engine.gpu.source import WHOLE
from mercer.engine.gpu.words import WORDS
from mercer.engine.leaves import centred
from mercer.engine.mask import Mask
from mercer.engine.printer import unknown
from mercer.engine.program import compile_program
from mercer.engine.settings import Settings

Points = list[Tensor]
MOST_DIRECT = 6  # columns that one pass sums in registers


def missing(formula: Formula) -> list[str]:
    """The calls of a formula that Triton has no word for."""
    folded, leaves = fold((formula.expression,), formula.kinds, tuple(formula.symbols))
    inputs = tuple(leaf.symbol for leaf in leaves)
    return unknown(compile_program(folded, inputs, tuple(formula.parameter_symbols)), WORDS)


def reduce(
    X: Points, Y: Points, parameters: Points, V: Tensor, blocks: Tensor | None, how: Settings
) -> Tensor:
    """``out_i = sum_j F(s(x_i, y_j)) V_j``, ``[B, n, c]``."""
    F = how.formula
    bounded = is_bounded(F.expression)
    parts = [
        launch(
            F, [Sum(F.expression, part, bounded)], X, Y, parameters, how.mask(blocks), how.precision
        )[0]
        for part in V.split(COLUMNS, -1)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, -1)


def row_maximum(
    X: Points, Y: Points, parameters: Points, blocks: Tensor | None, how: Settings
) -> Tensor:
    """``max_j F(s(x_i, y_j))``, ``[B, n]``; masked entries count as zero."""
    F = how.formula
    sums = [Sum(F.expression, X[0], how="maximum")]
    mask = how.mask(blocks)
    return launch(F, sums, X, Y, parameters, mask, how.precision)[0][..., 0]


def gradient(
    X: Points,
    Y: Points,
    parameters: Points,
    V: Tensor,
    U: Tensor,
    blocks: Tensor | None,
    how: Settings,
    needs: Sequence[bool],
) -> list[Tensor]:
    """The gradients of ``sum(U * reduce(...))`` in two passes: over rows for X, over columns
    for Y, the parameters and V."""
    F, S, P = how.formula, len(X), len(parameters)
    mask = how.mask(blocks)
    rows = _Side(F, X, Y, U, V, mask)
    columns = _Side(F.transposed, Y, X, V, U, mask.transposed)
    for k in range(S):
        rows.points(k, needs[k])
        columns.points(k, needs[S + k])
    for k in range(P):
        columns.parameter(k, needs[2 * S + k])
    columns.values(needs[-1])
    dx, _, _ = rows.run(parameters, how.precision)
    dy, dp, dv = columns.run(parameters, how.precision)
    return [*dx, *dy, *dp, V.new_empty(0) if dv is None else dv]


class _Side:
    """The sums of one pass: over j for each row i, with ``T_ij = U_i . V_j`` as one more score."""

    def __init__(
        self, formula: Formula, X: Points, Y: Points, U: Tensor, V: Tensor, mask: Mask
    ) -> None:
        self.formula, self.U, self.V, self.mask = formula, U, V, mask
        # Differences of sums, 2 (x sum_j W - sum_j W y), lose least around the origin.
        self.X, self.Y = centred(formula.kinds, X, Y)
        self.sums: list[Sum] = []
        self.kinds = [*formula.kinds, "dot"]
        self.more: list[tuple[Tensor, Tensor]] = []  # points of further scores
        self.finish: list[tuple[str, int, slice]] = []  # what becomes of the sums
        self.T = score_symbol(len(X), "dot")

    def points(self, k: int, needed: bool) -> None:
        """The gradient in the points of score k on this side."""
        F, kind, x, y = self.formula, self.formula.kinds[k], self.X[k], self.Y[k]
        if not needed or kind == "sign":
            self.finish.append(("zero" if needed else "empty", k, slice(0)))
            return
        W = F.derivative(F.symbols[k]).expression * self.T
        start = len(self.sums)
        if kind == "l1_distance":
            for e in range(x.shape[-1]):
                sign = score_symbol(len(self.kinds), "sign")
                self.kinds.append("sign")
                self.more.append((x[..., e : e + 1], y[..., e : e + 1]))
                self.sums.append(Sum(W * sign, torch.ones_like(y[..., :1])))
        elif kind == "dot":
            self.sums.append(Sum(W, y))
        else:
            self.sums += [Sum(W, y), Sum(W, torch.ones_like(y[..., :1]))]
        self.finish.append((kind, k, slice(start, len(self.sums))))

    def parameter(self, k: int, needed: bool) -> None:
        """The gradient in parameter k."""
        start = len(self.sums)
        if needed:
            W = self.formula.derivative(self.formula.parameter_symbols[k]).expression * self.T
            self.sums.append(Sum(W, torch.ones_like(self.V[..., :1])))
        self.finish.append(("parameter" if needed else "empty", k, slice(start, len(self.sums))))

    def values(self, needed: bool) -> None:
        """The gradient in the right-hand side."""
        if needed:
            start = len(self.sums)
            F = self.formula.expression
            self.sums.append(Sum(F, self.V, is_bounded(F)))
            self.finish.append(("values", 0, slice(start, start + 1)))

    def run(self, parameters: Points, precision: str) -> tuple[Points, Points, Tensor | None]:
        """The gradients in points, parameters and values."""
        results = self._launch(parameters, precision)
        points: Points = []
        scalars: Points = []
        values: Tensor | None = None
        for what, k, where in self.finish:
            found = results[where]
            if what == "values":
                values = found[0]
            elif what == "parameter":
                scalars.append(found[0].double().sum((-2, -1)).to(parameters[k]))
            elif what in ("empty", "zero"):
                target = points if len(points) < len(self.X) else scalars
                target.append(
                    self.X[0].new_empty(0) if what == "empty" else torch.zeros_like(self.X[k])
                )
            else:
                points.append(_point_gradient(what, self.X[k], found))
        return points, scalars, values

    def _launch(self, parameters: Points, precision: str) -> Points:
        """All sums over the same scores; those of many columns in turns."""
        formula = Formula(sympy.Integer(0), tuple(self.kinds), len(parameters))
        X = [*self.X, self.U, *(x for x, _ in self.more)]
        Y = [*self.Y, self.V, *(y for _, y in self.more)]
        results: Points = []
        for group in _groups(self.sums, X):
            results += launch(formula, group, X, Y, parameters, self.mask, precision)
        return _joined(results, self.sums)


def _point_gradient(kind: str, x: Tensor, found: Points) -> Tensor:
    if kind == "squared_distance":
        return 2 * (x * found[1] - found[0])
    return found[0] if kind == "dot" else torch.cat(found, -1)


def _groups(sums: list[Sum], X: Points) -> list[list[Sum]]:
    """Cut wide sums, and put together what fits into the registers of one pass."""
    parts = [Sum(s.expression, V, s.bounded) for s in sums for V in s.V.split(COLUMNS, -1)]
    # Triton 3.6 miscompiles two products of values beside scores that come in chunks.
    alone = any(x.shape[-1] > WHOLE for x in X)
    groups: list[list[Sum]] = []
    wide = direct = COLUMNS + 1
    for part in parts:
        c = part.V.shape[-1]
        if c > DIRECT:
            full = wide + c > COLUMNS or (alone and wide > 0)
        else:
            full = direct + c > MOST_DIRECT
        if full:
            groups.append([])
            wide = direct = 0
        groups[-1].append(part)
        wide, direct = (wide + c, direct) if c > DIRECT else (wide, direct + c)
    return groups


def _joined(results: Points, sums: list[Sum]) -> Points:
    joined, rest = [], iter(results)
    for s in sums:
        parts = [next(rest) for _ in s.V.split(COLUMNS, -1)]
        joined.append(parts[0] if len(parts) == 1 else torch.cat(parts, -1))
    return joined


@functools.cache
def is_bounded(expression: sympy.Expr) -> bool:
    """Whether the expression is seen to lie in [-1, 1], as products of ``exp(-...)`` do."""
    return all(
        (f.func is sympy.exp and bool(f.args[0].is_nonpositive))
        or (f.is_number and abs(float(f)) <= 1)
        for f in sympy.Mul.make_args(expression)
    )
