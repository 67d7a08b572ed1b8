"""Preconditioned conjugate gradients for many right-hand sides.

H. A. van der Vorst, Q. Ye, "Residual replacement strategies for Krylov subspace iterative methods
for the convergence of true residuals", https://doi.org/10.1137/S1064827599353865
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.conjugate_gradients_iteration import ConjugateGradients
from mercer.linalg.preconditioner import Preconditioner
from mercer.operators.base import Operator


class CGResult(NamedTuple):
    """Solution, number of iterations, per-column convergence and true relative residuals."""

    x: Tensor  # [*batch, n, c]
    iterations: int
    converged: Tensor  # [*batch, c]
    residual: Tensor  # [*batch, c]


def conjugate_gradients(
    A: Operator,
    B: Tensor,
    *,
    tol: float,
    max_iterations: int | None = None,
    preconditioner: Preconditioner | None = None,
    x0: Tensor | None = None,
) -> CGResult:
    """Solve ``A X = B`` for a symmetric positive definite operator, each column to its own end.

    The recursive residual drifts away from the true one in finite precision. When it says that
    all columns are done the true residual replaces it, and the iteration goes on from there for the
    columns that are not; it ends when the replacement no longer halves the true residual.

    Parameters
    ----------
    A : Operator, shape (*batch, n, n)
        Symmetric positive definite.
    B : Tensor, shape (*batch, n, c)
        Right-hand sides.
    tol : float, above 0
        A column stops at ``||A x - b|| <= tol ||b||``.
    max_iterations : int, optional
        Default ``10 n + 10``: in exact arithmetic ``n`` suffice.
    preconditioner : Preconditioner, optional
        An object whose ``apply(R)`` is a symmetric positive definite approximation of ``A^{-1} R``.
    x0 : Tensor, shape (*batch, n, c), optional
        Where to start; default zero.

    Returns
    -------
    CGResult
        ``x``, ``iterations``, ``converged`` and ``residual`` (true, relative, one per column).

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> A = Dense(torch.tensor([[4.0, 1.0], [1.0, 3.0]]), tags={"symmetric", "psd"})
    >>> conjugate_gradients(A, torch.tensor([[1.0], [2.0]]), tol=1e-6).x.squeeze()
    tensor([0.0909, 0.6364])
    """
    if not tol > 0:
        raise ValueError(f"tol must be positive, got {tol:g}")
    limit = (
        10 * A.n + 10
        if max_iterations is None
        else checks.count("max_iterations", max_iterations, least=0)
    )
    batch = torch.broadcast_shapes(A.batch, B.shape[:-2])
    B = B.expand(*batch, *B.shape[-2:])
    scale = _norm(B)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    apply = _identity if preconditioner is None else preconditioner.apply
    cg = ConjugateGradients(A.matmul, apply, B, None if x0 is None else x0.expand_as(B))
    residual = _norm(cg.R) / scale  # [*batch, 1, c]
    active = residual > tol
    best = residual
    while bool(active.any()) and cg.iteration < limit:
        _sweep(cg, active, tol * scale, limit)
        cg.R = cg.true_residual()
        residual = _norm(cg.R) / scale
        # A sweep that gained less than half is at the limit of the precision.
        active = (residual > tol) & (residual < 0.5 * best)
        best = torch.minimum(best, residual)
        if bool(active.any()) and cg.iteration < limit:
            cg.turn()
    return CGResult(cg.X, cg.iteration, (residual <= tol).squeeze(-2), residual.squeeze(-2))


def _sweep(cg: ConjugateGradients, active: Tensor, target: Tensor, limit: int) -> None:
    """Step from a true residual until every active column's recursive residual is small."""
    while True:
        active = cg.advance(active)
        active = active & (_norm(cg.R) > target)
        if not bool(active.any()) or cg.iteration >= limit:
            return
        cg.turn(active)


def _identity(R: Tensor) -> Tensor:
    return R


def _norm(V: Tensor) -> Tensor:
    return torch.linalg.vector_norm(V, dim=-2, keepdim=True)
