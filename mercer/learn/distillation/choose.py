"""Where optimal weights are chosen: on given rows, by leaving each row out, on held-out rows."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.kernels import Kernel
from mercer.learn.distillation.weights import (
    ChosenWeights,
    leave_one_out_weights,
    validated_weights,
)
from mercer.learn.merge import Merged
from mercer.learn.selection import SOME
from mercer.operators import Diagonal
from mercer.operators.base import Operator


def choose_weights(
    kernel: Kernel,
    rows: Merged,
    regularisation: float,
    steps: int,
    *,
    held: Merged | None,
    fraction: float,
    tol: float | None,
    seed: int,
) -> tuple[ChosenWeights, str]:
    """Return the optimal weight of each step and what they were chosen by.

    Parameters
    ----------
    kernel : Kernel
    rows : Merged
        To be fitted, with centred targets; up to ``SOME`` of them in float64.
    regularisation : float
        Of each fit, positive.
    steps : int
        How many refits.
    held : Merged, optional
        Validation rows; without them up to ``SOME`` rows are left out in turn, and of more a share
        is held out.
    fraction : float, in (0, 1)
        That share.
    tol : float, optional
        Of iterative solves.
    seed : int
        Of the share and of random pivots.

    Returns
    -------
    ChosenWeights and str
    """
    if held is None and len(rows.X) <= SOME:
        A, Y, _ = symmetrised(kernel(rows.X), rows)
        found = leave_one_out_weights(A.dense(), Y, regularisation, steps)
        per_weight = len(rows.X) / float(rows.weights.sum())
        errors = tuple(error * per_weight for error in found.errors)
        return ChosenWeights(found.weights, errors), "weights by leave-one-out error"
    why = "validation"
    if held is None:
        order = torch.randperm(len(rows.X), generator=torch.Generator().manual_seed(seed))
        m = max(1, round(fraction * len(order)))
        held, rows = (
            Merged(*(t[part.to(t.device)] for t in rows)) for part in (order[:m], order[m:])
        )
        why = "held-out"
    A, Y, root = symmetrised(kernel(rows.X), rows)
    found = validated_weights(
        A,
        Y,
        regularisation,
        steps,
        kernel(held.X, rows.X) @ root,
        held.Y,
        held.weights,
        tol=tol,
        generator=torch.Generator(rows.X.device).manual_seed(seed),
    )
    return found, f"weights by {len(held.X)} {why} rows"


def symmetrised(K: Operator, rows: Merged) -> tuple[Operator, Tensor, Diagonal]:
    """``W^1/2 K W^1/2``, ``W^1/2 Y`` and ``W^1/2``: unweighted regression on them is weighted."""
    root = Diagonal(rows.weights.sqrt().to(rows.Y))
    return root @ K @ root, root @ rows.Y, root
