"""Preconditioned conjugate gradients for many right-hand sides.

J. R. Shewchuk, "An introduction to the conjugate gradient method without the agonizing pain",
https://www.cs.cmu.edu/~quake-papers/painless-conjugate-gradient.pdf
H. A. van der Vorst, Q. Ye, "Residual replacement strategies for Krylov subspace iterative methods
for the convergence of true residuals", https://doi.org/10.1137/S1064827599353865
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
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
    X = torch.zeros_like(B) if x0 is None else x0.expand_as(B).clone()
    R = B.clone() if x0 is None else B - A @ X  # [*batch, n, c]
    scale = _norm(B)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    residual = _norm(R) / scale  # [*batch, 1, c]
    active = residual > tol
    best = residual
    iterations = 0
    while bool(active.any()) and iterations < limit:
        X, R, used = _sweep(A, B, X, R, active, tol * scale, limit - iterations, preconditioner)
        iterations += used
        R = B - A @ X
        residual = _norm(R) / scale
        # A sweep that gained less than half is at the limit of the precision.
        active = (residual > tol) & (residual < 0.5 * best)
        best = torch.minimum(best, residual)
    return CGResult(X, iterations, (residual <= tol).squeeze(-2), residual.squeeze(-2))


def _sweep(
    A: Operator,
    B: Tensor,
    X: Tensor,
    R: Tensor,
    active: Tensor,
    target: Tensor,
    limit: int,
    preconditioner: Preconditioner | None,
) -> tuple[Tensor, Tensor, int]:
    """Run from the true residual ``R`` until every active column's recursive residual is small."""
    Z = R if preconditioner is None else preconditioner.apply(R)
    D = Z
    rz = _dot(R, Z)  # [*batch, 1, c]
    zero = torch.zeros_like(rz)
    for used in range(1, limit + 1):
        AD = A @ D
        curvature = _dot(D, AD)
        # Curvature that is not positive: precision is lost, or the operator is not definite.
        active = active & (curvature > 0)
        alpha = torch.where(active, rz / curvature, zero)
        X = X + alpha * D
        R = R - alpha * AD
        active = active & (_norm(R) > target)
        if not bool(active.any()):
            return X, R, used
        Z = R if preconditioner is None else preconditioner.apply(R)
        rz_new = _dot(R, Z)
        D = Z + torch.where(active, rz_new / rz, zero) * D
        rz = rz_new
    return X, R, limit


def _norm(V: Tensor) -> Tensor:
    return torch.linalg.vector_norm(V, dim=-2, keepdim=True)


def _dot(U: Tensor, V: Tensor) -> Tensor:
    return (U * V).sum(dim=-2, keepdim=True)
