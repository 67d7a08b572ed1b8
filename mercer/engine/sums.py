"""The sum over j, whole or by tiles, for batches that broadcast."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mercer.engine import planner
from mercer.engine.autograd import reduce_batched
from mercer.engine.evaluate import evaluate, pairwise
from mercer.engine.formula import Formula
from mercer.engine.mask import Mask


def reduce_any(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    mask: Mask,
    precision: str,
    backend: str,
) -> Tensor:
    """``sum_j F_ij V_j``; a small matrix is formed unless a backend is named."""
    n, m = X[0].shape[-2], V.shape[-2]
    if n * m <= planner.SMALL and backend == "auto":
        K = evaluate(formula, pairwise(formula, X, Y), [p[..., None, None] for p in parameters])
        return masked(K, mask) @ V
    batch, X, Y, parameters, V3 = flatten(X, Y, parameters, V)
    assert V3 is not None
    out = reduce_batched(formula, X, Y, parameters, V3, mask, precision, backend)
    return out.reshape(*batch, n, V.shape[-1])


def masked(K: Tensor, mask: Mask, fill: float = 0.0) -> Tensor:
    """The matrix with ``fill`` where the mask does not allow a pair."""
    if mask.everything:
        return K
    i = torch.arange(K.shape[-2], device=K.device)[:, None]
    j = torch.arange(K.shape[-1], device=K.device)
    return torch.where(mask.allows(i, j), K, fill)


def flatten(
    X: Sequence[Tensor], Y: Sequence[Tensor], parameters: Sequence[Tensor], V: Tensor | None
) -> tuple[torch.Size, list[Tensor], list[Tensor], list[Tensor], Tensor | None]:
    """Broadcast all batches to one and flatten it: ``[*batch, n, d] -> [B, n, d]``."""
    matrices = [*X, *Y] if V is None else [*X, *Y, V]
    batch = torch.broadcast_shapes(
        *(t.shape[:-2] for t in matrices), *(p.shape for p in parameters)
    )
    B = math.prod(batch)

    def flat(t: Tensor) -> Tensor:
        return t.expand(*batch, *t.shape[-2:]).reshape(B, *t.shape[-2:])

    X3 = [flat(x) for x in X]
    Y3 = [x3 if x is y else flat(y) for x, x3, y in zip(X, X3, Y)]
    p1 = [p.expand(batch).reshape(B) for p in parameters]
    return batch, X3, Y3, p1, None if V is None else flat(V)
