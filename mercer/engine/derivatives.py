"""The gradient of a reduction as reductions: the family is closed under differentiation.

``d/dx_i sum_j F(s_ij) U_i . V_j`` is again a sum over j of a profile times a vector; the
profile is ``dF/ds`` times one more dot-product score ``t_ij = U_i . V_j``. So derivatives of any
order need memory for the points alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mercer.engine.formula import Formula, score_symbol
from mercer.engine.mask import Mask

Reduce = Callable[[Formula, list[Tensor], list[Tensor], list[Tensor], Tensor, Mask], Tensor]


def gradient_by_reductions(
    reduce: Reduce,
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    U: Tensor,
    mask: Mask,
    needs: Sequence[bool],
) -> list[Tensor]:
    """What :func:`gradient_tiles` returns, each part a differentiable composition of reductions."""
    S = len(X)
    out: list[Tensor] = []
    flipped = formula.transposed
    forward = (formula, X, Y, U, V, mask)
    backward = (flipped, Y, X, V, U, mask.transposed)
    for side, (F, A, B, U_, V_, band) in enumerate((forward, backward)):
        for k in range(S):
            if not needs[side * S + k]:
                out.append(A[k].new_empty(0))
                continue
            out.append(_points(reduce, F, k, A, B, parameters, U_, V_, band))
    for k, p in enumerate(formula.parameter_symbols):
        if not needs[2 * S + k]:
            out.append(parameters[k].new_empty(0))
            continue
        weights = formula.derivative(p).times_dot()
        ones = torch.ones_like(V[..., :1])
        out.append(reduce(weights, [*X, U], [*Y, V], parameters, ones, mask).sum((-2, -1)))
    out.append(
        reduce(flipped, Y, X, parameters, U, mask.transposed) if needs[-1] else V.new_empty(0)
    )
    return out


def _points(
    reduce: Reduce,
    formula: Formula,
    k: int,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    U: Tensor,
    V: Tensor,
    mask: Mask,
) -> Tensor:
    """``d/dX[k]``; by symmetry of the scores also ``d/dY[k]`` with the sides exchanged."""
    kind = formula.kinds[k]
    x, y = X[k], Y[k]
    if kind == "sign":
        return torch.zeros_like(x)
    weights = formula.derivative(formula.symbols[k]).times_dot()
    left, right = [*X, U], [*Y, V]
    if kind == "dot":
        return reduce(weights, left, right, parameters, y, mask)
    ones = torch.ones_like(y[..., :1])
    if kind == "squared_distance":
        R = reduce(weights, left, right, parameters, torch.cat([y, ones], -1), mask)
        return 2 * (x * R[..., -1:] - R[..., :-1])
    sign = score_symbol(len(left), "sign")
    signed = Formula(weights.expression * sign, (*weights.kinds, "sign"), weights.parameters)
    columns = [
        reduce(
            signed, [*left, x[..., e : e + 1]], [*right, y[..., e : e + 1]], parameters, ones, mask
        )
        for e in range(x.shape[-1])
    ]
    return torch.cat(columns, -1)
