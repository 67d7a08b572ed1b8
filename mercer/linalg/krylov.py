"""The largest eigenpairs of a large symmetric operator: restarted block Krylov.

Y. Saad, "Numerical Methods for Large Eigenvalue Problems", chapters 6 and 7,
https://www-users.cse.umn.edu/~saad/eig_book_2ndEd.pdf
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.random_source import random_source
from mercer.linalg.solution import ConvergenceWarning
from mercer.linalg.tensors import detached, tensors_of
from mercer.operators.base import Operator

OVERSAMPLING = 8
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def block_krylov(
    K: Operator,
    rank: int,
    *,
    tol: float | None = None,
    max_iterations: int = 200,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the ``rank`` largest eigenvalues, ascending, and their eigenvectors.

    A basis grows by the residuals of the leading Ritz vectors, fully orthogonalised, and is cut
    back to those Ritz vectors when it is five blocks wide.

    Parameters
    ----------
    K : Operator, shape (*batch, n, n)
        Symmetric.
    rank : int, at least 1
        How many.
    tol : float, above 0, optional
        Residual over the largest absolute eigenvalue; 1e-5 in float32, 1e-10 in float64.
    max_iterations : int, at least 1
        Most block products.
    generator : torch.Generator, optional
        Source of the start block.

    Returns
    -------
    tuple of Tensor
        Eigenvalues [*batch, rank], differentiable once; eigenvectors [*batch, n, rank], constant.

    Warns
    -----
    ConvergenceWarning
        If ``tol`` was not reached.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> K = Dense(torch.diag(torch.arange(50.0)), tags={"symmetric"})
    >>> block_krylov(K, 2, generator=torch.Generator().manual_seed(0))[0]
    tensor([48.0000, 49.0000])
    """
    tol = TOLERANCE[K.dtype] if tol is None else float(checks.positive("tol", tol))
    checks.count("max_iterations", max_iterations)
    generator = random_source(generator, K.device)
    with torch.no_grad():
        values, vectors = _iterate(detached(K), rank, tol, max_iterations, generator)
    if torch.is_grad_enabled() and tensors_of(K):
        # The derivative of an eigenvalue is that of its Rayleigh quotient at a fixed eigenvector.
        values = (vectors * (K @ vectors)).sum(-2)
    return values, vectors


def _iterate(
    K: Operator, rank: int, tol: float, limit: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    p = min(rank + OVERSAMPLING, K.n)
    block = torch.randn(*K.batch, K.n, p, dtype=K.dtype, device=K.device, generator=generator)
    Q = torch.linalg.qr(block).Q  # [*batch, n, k], the basis
    KQ = K @ Q
    for _ in range(limit):
        values, Y = torch.linalg.eigh(_symmetrised(Q.mT @ KQ))
        values, Y = values[..., -p:], Y[..., -p:]
        X, KX = Q @ Y, KQ @ Y  # [*batch, n, p]
        R = KX - X * values[..., None, :]
        size = torch.linalg.vector_norm(R, dim=-2)[..., -rank:]  # [*batch, rank]
        worst = float((size.amax(-1) / values.abs().amax(-1).clamp_min(1e-300)).max())
        if worst <= tol or Q.shape[-1] >= K.n:
            return values[..., -rank:], X[..., -rank:]
        if Q.shape[-1] + p > min(5 * p, K.n):
            Q, KQ = X, KX
        fresh = _orthonormal(R, Q)[..., : K.n - Q.shape[-1]]
        Q, KQ = torch.cat([Q, fresh], -1), torch.cat([KQ, K @ fresh], -1)
    warnings.warn(
        f"eigenvectors stopped after {limit} block products at relative residual {worst:.2g}, "
        f"above tol={tol:.2g}; allow more iterations",
        ConvergenceWarning,
        stacklevel=4,
    )
    return values[..., -rank:], X[..., -rank:]


def _symmetrised(A: Tensor) -> Tensor:
    return 0.5 * (A + A.mT)


def _orthonormal(R: Tensor, Q: Tensor) -> Tensor:
    """An orthonormal basis of ``R`` outside the span of ``Q``."""
    R = R / torch.linalg.vector_norm(R, dim=-2, keepdim=True).clamp_min(torch.finfo(R.dtype).tiny)
    for _ in range(3):
        # A converged column leaves rounding errors only; QR turns them into some direction, which
        # the next pass makes orthogonal to Q.
        R = torch.linalg.qr(R - Q @ (Q.mT @ R)).Q
    return R
