"""Arguments of a reduction, read at the door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sympy
import torch
from torch import Tensor

from mercer import checks
from mercer.engine.formula import Formula, make
from mercer.engine.mask import Mask
from mercer.engine.native import check_backend
from mercer.engine.planner import PRECISIONS

HALF = (torch.float16, torch.bfloat16)


class Arguments(NamedTuple):
    """What fits together, half precisions widened to float32."""

    formula: Formula
    X: list[Tensor]  # [*batch, n, d_k] of each score
    Y: list[Tensor]  # [*batch, m, d_k]
    parameters: list[Tensor]  # [*batch]
    V: Tensor  # [*batch, m, c]
    mask: Mask


def read(
    score: str | Sequence[str],
    profile: sympy.Expr | str | Formula,
    X: Tensor | Sequence[Tensor],
    Y: Tensor | Sequence[Tensor],
    V: Tensor,
    *,
    parameters: Sequence[Tensor],
    mask: Mask | None,
    precision: str,
    backend: str,
) -> Arguments:
    """Check the arguments of :func:`mercer.engine.reduce`.

    Raises
    ------
    TypeError, ValueError
        If dtypes, devices or shapes do not agree, or a name is unknown.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    check_backend(backend)
    X = [X] if isinstance(X, Tensor) else list(X)
    Y = [Y] if isinstance(Y, Tensor) else list(Y)
    kinds = (score,) if isinstance(score, str) else tuple(score)
    formula = profile if isinstance(profile, Formula) else make(profile, kinds, len(parameters))
    _check(formula, X, Y, V)
    if V.dtype in HALF:
        X, Y, V = [x.float() for x in X], [y.float() for y in Y], V.float()
    mask = (mask or Mask()).to(V.device)
    mask.check(X[0].shape[-2], V.shape[-2])
    return Arguments(formula, X, Y, [p.to(V) for p in parameters], V, mask)


def _check(formula: Formula, X: Sequence[Tensor], Y: Sequence[Tensor], V: Tensor) -> None:
    if not len(X) == len(Y) == len(formula.kinds):
        raise ValueError(
            f"the profile has {len(formula.kinds)} scores; got {len(X)} X and {len(Y)} Y"
        )
    checks.floating("V", V)
    for name, points in (("X", X), ("Y", Y)):
        for p in points:
            checks.alike(name, checks.floating(name, p), "V", V)
    for x, y in zip(X, Y):
        if x.shape[-1] != y.shape[-1]:
            raise ValueError(f"X has {x.shape[-1]} coordinates but Y has {y.shape[-1]}")
    if Y[0].shape[-2] != V.shape[-2]:
        raise ValueError(f"Y has {Y[0].shape[-2]} points but V has {V.shape[-2]} rows")
