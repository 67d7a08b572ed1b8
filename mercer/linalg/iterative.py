"""The iterative methods behind one signature, for ``solve``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer.linalg.askotch import askotch
from mercer.linalg.conjugate_gradients import CGResult, conjugate_gradients
from mercer.linalg.default_preconditioner import default_preconditioner
from mercer.linalg.preconditioner import Preconditioner
from mercer.linalg.shifted import split_shift
from mercer.linalg.solution import relative_residual
from mercer.operators.base import Operator


def cg_solver(
    K: Operator,
    B: Tensor,
    *,
    tol: float,
    preconditioner: Preconditioner | None,
    max_iterations: int | None,
    generator: torch.Generator | None,
) -> dict[str, Any]:
    """Solve by preconditioned conjugate gradients; return what a ``Solution`` needs."""
    if preconditioner is None:
        preconditioner, name = default_preconditioner(K, generator)
        note = f"preconditioned by {name}"
    else:
        note = f"preconditioned by {type(preconditioner).__name__}"
    found = conjugate_gradients(
        K, B, tol=tol, max_iterations=max_iterations, preconditioner=preconditioner
    )
    return _record(found, preconditioner, note)


def normal_solver(
    K: Operator,
    B: Tensor,
    *,
    tol: float,
    preconditioner: None,
    max_iterations: int | None,
    generator: torch.Generator | None,
) -> dict[str, Any]:
    """Solve ``KᵀK x = Kᵀb`` by conjugate gradients until ``K x = b`` has a small residual."""
    limit = 10 * K.n + 10 if max_iterations is None else max_iterations
    square, right = K.mT @ K, K.mT @ B
    X, used, aim, residual = None, 0, tol, 1.0
    while True:
        found = conjugate_gradients(square, right, tol=aim, max_iterations=limit - used, x0=X)
        X, used = found.x, used + found.iterations
        residual, before = relative_residual(K @ X - B, B), residual
        # A small residual of the normal equations does not bound that of the system: aim lower.
        if residual <= tol or used >= limit or not residual < before:
            break
        aim *= 0.1
    return {
        "x": X,
        "iterations": used,
        "converged": residual <= tol,
        "residual": residual,
        "preconditioner": None,
        "note": "",
    }


def sketch_solver(
    K: Operator,
    B: Tensor,
    *,
    tol: float,
    preconditioner: None,
    max_iterations: int | None,
    generator: torch.Generator | None,
) -> dict[str, Any]:
    """Solve ``(A + noise I) x = b`` by accelerated sketch-and-project."""
    A, noise = split_shift(K)
    if noise is None or noise.ndim or K.batch or B.ndim > 2:
        raise ValueError(
            "method='sketch' solves (A + noise * Identity(n)) x = b with one positive noise and no "
            f"batch, got {K!r}; use method='cg'"
        )
    state = askotch(A, float(noise), B, tol=tol, max_iterations=max_iterations, generator=generator)
    return {
        "x": state.w,
        "iterations": state.iteration,
        "converged": state.residual <= tol,
        "residual": state.residual,
        "preconditioner": None,
        "note": "",
    }


def _record(found: CGResult, preconditioner: Preconditioner, note: str) -> dict[str, Any]:
    return {
        "x": found.x,
        "iterations": found.iterations,
        "converged": bool(found.converged.all()),
        "residual": float(found.residual.max()) if found.residual.numel() else 0.0,
        "preconditioner": preconditioner,
        "note": note,
    }
