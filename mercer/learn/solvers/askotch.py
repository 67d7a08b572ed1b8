"""Accelerated sketch-and-project on the full problem."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from mercer.learn.problem import Fitted, HeldOut, OnStep, Problem, State
from mercer.linalg.askotch import ASkotchState, askotch
from mercer.operators import Diagonal, Operator

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}


@torch.no_grad()
def solve_askotch(
    problem: Problem, state: State | None = None, on_step: OnStep | None = None
) -> Fitted:
    r"""Solve :math:`(W^{1/2} K W^{1/2} + \lambda I) W^{-1/2}\alpha = W^{1/2} y`.

    Parameters
    ----------
    problem : Problem
        Its regularisation is used, and must be positive.
    state : dict of str to Tensor, optional
        Where to go on.
    on_step : callable, optional
        Called after each step.

    Returns
    -------
    Fitted
        With predictions for the validation rows, if there are any.

    References
    ----------
    P. Rathore et al., "Have ASkotch: A Neat Solution for Large-scale Kernel Ridge Regression".
    https://arxiv.org/abs/2407.10070
    """
    kept, validation = problem.split()
    X, Y = problem.X[kept], problem.Y[kept]
    root = problem.weights[kept].to(X).sqrt()  # [n]
    K: Operator = problem.operator(X)
    if bool((root != 1).any()):
        S = Diagonal(root)
        K = S @ K @ S
    tolerance = problem.tolerance or TOLERANCE[X.dtype]
    size = min(len(X), max(len(X) // 100, 256))
    limit = problem.max_iterations or 200 * math.ceil(len(X) / size)

    def report(now: ASkotchState) -> None:
        if on_step is not None:
            record: dict[str, Any] = {"iteration": now.iteration, "of": limit}
            if math.isfinite(now.residual):
                record["residual"] = now.residual
            on_step(record, lambda: _tensors(now))

    found = askotch(
        K,
        problem.regularisation,
        root[:, None] * Y,
        tol=tolerance,
        max_iterations=limit,
        block_size=size,
        rank=min(100, size),
        generator=problem.generator(),
        state=None if state is None else _state(state),
        callback=report,
    )
    alpha = root[:, None] * found.w
    held = None
    if len(validation):
        predictions = problem.operator(problem.X[validation], X) @ alpha
        held = HeldOut(validation, predictions, f"{len(validation):,} rows left out of the fit")
    why = f"ASkotch, {found.iteration} steps of {size:,} rows to residual {found.residual:.2g}"
    converged = found.residual <= tolerance
    return Fitted(X, alpha, problem.regularisation, found.iteration, converged, why, held)


def _tensors(state: ASkotchState) -> State:
    out: State = {}
    for item in fields(state):
        value = getattr(state, item.name)
        out[item.name] = value if isinstance(value, Tensor) else torch.tensor(float(value)).double()
    return out


def _state(tensors: State) -> ASkotchState:
    numbers = {"iteration": int(tensors["iteration"]), "residual": float(tensors["residual"])}
    return ASkotchState(**{**tensors, **numbers})  # type: ignore[arg-type]
