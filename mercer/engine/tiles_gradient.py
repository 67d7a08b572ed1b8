"""The gradient of a reduction in one pass over the tiles.

With ``L = sum_ij F_ij U_i . V_j`` and ``T = U V^T``, each tile gives ``W = dF/ds * T`` and from it

    dV += F^T U,   dX, dY += (W, W^T applied to the other points),   dp += sum(dF/dp * T).

Of a single column ``T`` is a factor of the row times one of the column. Both go into the other
operands of these products, and no tile is multiplied by it.

The same gradient written with reductions, for second derivatives, is in ``derivatives.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer.engine.formula import Formula, score_symbol
from mercer.engine.mask import Mask
from mercer.engine.planner import LOW_COMPILED
from mercer.engine.sides import Sum, gradient_by_sides
from mercer.engine.tiles import Accumulator, Evaluator, Tile, may_fuse


def gradient_tiles(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    U: Tensor,
    mask: Mask,
    precision: str,
    backend: str,
    needs: Sequence[bool],
) -> list[Tensor]:
    """Gradients of ``sum(U * reduce(...))`` for the inputs that ``needs`` marks.

    ``needs`` runs over ``X[0..], Y[0..], parameters[0..], V``; so does what is returned, with an
    empty tensor where nothing was needed.
    """
    if max(x.shape[-1] for x in X) <= LOW_COMPILED:
        fused = _fused(formula, X, Y, parameters, V, U, mask, precision, backend, needs)
        if fused is not None:
            return fused
    S, P = len(X), len(parameters)
    need_score = [needs[k] or needs[S + k] for k in range(S)]
    need_parameter = list(needs[2 * S : 2 * S + P])
    scores = [k for k in range(S) if need_score[k] and formula.kinds[k] != "sign"]
    names = [formula.symbols[k] for k in scores]
    names += [p for p, need in zip(formula.parameter_symbols, need_parameter) if need]
    slopes = [formula.derivative(name).expression for name in names]
    single = V.shape[-1] == 1 and all(formula.kinds[k] != "l1_distance" for k in scores)
    if single:
        expressions, extended, left, right = slopes, formula, X, Y
    else:
        T = score_symbol(S, "dot")
        expressions = [slope * T for slope in slopes]
        extended = Formula(formula.expression, (*formula.kinds, "dot"), P)
        left, right = [*X, U], [*Y, V]
    from_point = _of_same_sum(formula, scores, slopes, needs) if single and needs[-1] else None
    if needs[-1] and from_point is None:
        expressions = [*expressions, formula.expression]

    grads = [torch.zeros_like(t) if need else t.new_empty(0)
             for t, need in zip([*X, *Y, *parameters, V], needs)]  # fmt: skip
    if not expressions:
        return grads
    n, m = U.shape[-2], V.shape[-2]
    evaluate = Evaluator(
        expressions, extended, left, right, parameters, mask, precision, backend, n, m
    )
    factors = (U, V) if single else None
    points = [
        Points(formula.kinds[k], evaluate.X[k], evaluate.Y[k], needs[k], needs[S + k], factors)
        for k in scores
    ]
    sums = [torch.zeros(p.shape, dtype=torch.float64, device=p.device)
            for p, need in zip(parameters, need_parameter) if need]  # fmt: skip
    values = Accumulator(U, m, transposed=True)
    for tile in evaluate.tiles():
        outputs = evaluate(tile)
        for point, W in zip(points, outputs):
            point.add(W, tile)
        for total, W in zip(sums, outputs[len(points) :]):
            if single:
                W = (W @ V[tile.b, tile.j]) * U[tile.b, tile.i]
            total[tile.b] += W.sum((-2, -1))
        if needs[-1] and from_point is None:
            values.add(outputs[-1].mT, tile.b, tile.j, tile.i)

    if from_point is not None:
        k, ratio = from_point
        grads[-1] = ratio * points[k].to_y.result()[..., -1:]  # sum_i W_ij U_i
    elif needs[-1]:
        grads[-1] = values.result()
    for k, point in zip(scores, points):
        dx, dy = point.result()
        grads[k] = dx if needs[k] else grads[k]
        grads[S + k] = dy if needs[S + k] else grads[S + k]
    needed = [k for k, need in enumerate(need_parameter) if need]
    for k, total in zip(needed, sums):
        grads[2 * S + k] = total.to(parameters[k].dtype)
    return grads


def _of_same_sum(
    formula: Formula,
    scores: Sequence[int],
    slopes: Sequence[sympy.Expr],
    needs: Sequence[bool],
) -> tuple[int, float] | None:
    """Which score's ``sum_i W_ij U_i`` is a multiple of ``sum_i F_ij U_i``, and the factor."""
    for at, k in enumerate(scores):
        if formula.kinds[k] == "squared_distance" and needs[len(formula.kinds) + k]:
            ratio = formula.expression / slopes[at] if slopes[at] != 0 else sympy.nan
            if ratio.is_number and ratio.is_finite:
                return at, float(ratio)
    return None


def _fused(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    U: Tensor,
    mask: Mask,
    precision: str,
    backend: str,
    needs: Sequence[bool],
) -> list[Tensor] | None:
    """The gradient by compiled loops that store no tile; None where there are none."""

    def run(
        F: Formula,
        sums: list[Sum],
        X: list[Tensor],
        Y: list[Tensor],
        parameters: list[Tensor],
        mask: Mask,
    ) -> list[Tensor] | None:
        n, m = X[0].shape[-2], Y[0].shape[-2]
        expressions, summands = [s.expression for s in sums], [s.V for s in sums]
        evaluate = Evaluator(
            expressions, F, X, Y, parameters, mask, precision, backend, n, m, summands
        )
        return None if evaluate.compiled is None else evaluate.sums()

    def takes(sums: list[Sum]) -> bool:
        return may_fuse([s.V for s in sums], mask, backend, V)

    return gradient_by_sides(run, formula, X, Y, parameters, V, U, mask, needs, takes)


class Points:
    """Collects the gradient of one score in its points."""

    def __init__(
        self,
        kind: str,
        x: Tensor,
        y: Tensor,
        need_x: bool,
        need_y: bool,
        factors: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.kind, self.x, self.y = kind, x, y
        self.need_x, self.need_y = need_x, need_y
        self.factors = factors  # of the weights' rows and columns, [B, n, 1] and [B, m, 1]
        if kind == "l1_distance":
            self.dx, self.dy = torch.zeros_like(x), torch.zeros_like(y)
            return
        # The ones make W's row sums in the same product.
        if kind == "squared_distance":
            x, y = _with_ones(x), _with_ones(y)
        if factors is not None:
            x, y = x * factors[0], y * factors[1]
        self.to_x = Accumulator(y, x.shape[-2])
        self.to_y = Accumulator(x, y.shape[-2], transposed=True)

    def add(self, W: Tensor, tile: Tile) -> None:
        """Add what the tile ``W`` of weights contributes."""
        b, i, j = tile.b, tile.i, tile.j
        if self.kind == "l1_distance":
            for e in range(self.x.shape[-1]):
                D = (self.x[b, i, None, e] - self.y[b, None, j, e]).sign_().mul_(W)
                self.dx[b, i, e] += D.sum(-1)
                self.dy[b, j, e] -= D.sum(-2)
            return
        if self.need_x:
            self.to_x.add(W, b, i, j)
        if self.need_y:
            self.to_y.add(W.mT, b, j, i)

    def result(self) -> tuple[Tensor, Tensor]:
        """``dX, dY``; for squared distances ``dx = 2 (x sum_j W - sum_j W y)``."""
        if self.kind == "l1_distance":
            return self.dx, self.dy
        dx, dy = self.to_x.result(), self.to_y.result()
        if self.factors is not None:
            dx, dy = self.factors[0] * dx, self.factors[1] * dy
        if self.kind == "dot":
            return dx, dy
        return (
            2 * (self.x * dx[..., -1:] - dx[..., :-1]),
            2 * (self.y * dy[..., -1:] - dy[..., :-1]),
        )


def _with_ones(points: Tensor) -> Tensor:
    return torch.cat([points, torch.ones_like(points[..., :1])], -1)
