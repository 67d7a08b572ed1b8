"""Lanczos tridiagonalisation.

G. H. Golub, G. Meurant, "Matrices, Moments and Quadrature with Applications",
https://press.princeton.edu/books/hardcover/9780691143415/matrices-moments-and-quadrature-with-applications
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator


class Tridiagonalisation(NamedTuple):
    """``A Q ≈ Q T`` for each start vector: ``basis`` holds ``Q``, ``matrix`` holds ``T``."""

    basis: Tensor  # [*batch, c, n, k]
    matrix: Tensor  # [*batch, c, k, k]


def lanczos(A: Operator, start: Tensor, *, steps: int) -> Tridiagonalisation:
    """Tridiagonalise ``A`` on the Krylov space of each column of ``start``.

    Every new vector is orthogonalised twice against all before it. When the Krylov space is
    exhausted, ``T`` goes on as the identity, decoupled from what came before, and ``Q`` as zero.

    Parameters
    ----------
    A : Operator, shape (*batch, n, n)
        Symmetric.
    start : Tensor, shape (*batch, n, c)
        Start vectors, not zero.
    steps : int, at least 1
        Size ``k`` of ``T``; cut to ``n``.

    Returns
    -------
    Tridiagonalisation
        ``basis`` [*batch, c, n, k] with orthonormal columns and ``matrix`` [*batch, c, k, k].

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> A = Dense(torch.diag(torch.tensor([1.0, 2.0])), tags={"symmetric"})
    >>> T = lanczos(A, torch.ones(2, 1), steps=2).matrix[0]
    >>> torch.linalg.eigvalsh(T)
    tensor([1., 2.])
    """
    k = min(checks.count("steps", steps), A.n)
    batch = torch.broadcast_shapes(A.batch, start.shape[:-2])
    start = start.expand(*batch, *start.shape[-2:])
    q = start / torch.linalg.vector_norm(start, dim=-2, keepdim=True)  # [*batch, n, c]
    basis = [q]
    alphas: list[Tensor] = []
    betas: list[Tensor] = []
    tiny = 10 * A.n * torch.finfo(A.dtype).eps
    size = torch.zeros_like(q[..., 0, :])  # [*batch, c]: the largest coefficient so far
    for _ in range(k):
        w = A @ basis[-1]
        alpha = (basis[-1] * w).sum(dim=-2)
        w = _orthogonalise(w, basis)
        beta = torch.linalg.vector_norm(w, dim=-2)
        size = torch.maximum(size, torch.maximum(alpha.abs(), beta))
        alive = (basis[-1] != 0).any(dim=-2)
        beta = torch.where(beta > tiny * size, beta, torch.zeros_like(beta))
        alphas.append(torch.where(alive, alpha, torch.ones_like(alpha)))
        betas.append(beta)
        safe = torch.where(beta > 0, beta, torch.ones_like(beta))
        basis.append(torch.where(beta > 0, 1 / safe, torch.zeros_like(beta))[..., None, :] * w)
    Q = torch.stack(basis[:k], dim=-1).movedim(-2, -3)  # [*batch, c, n, k]
    off = torch.stack(betas, dim=-1)[..., : k - 1]
    T = torch.diag_embed(torch.stack(alphas, dim=-1))
    T = T + torch.diag_embed(off, offset=1) + torch.diag_embed(off, offset=-1)
    return Tridiagonalisation(Q, T)


def _orthogonalise(w: Tensor, basis: list[Tensor]) -> Tensor:
    Q = torch.stack(basis, dim=-1)  # [*batch, n, c, j]
    for _ in range(2):
        w = w - (Q * (Q * w[..., None]).sum(dim=-3, keepdim=True)).sum(dim=-1)
    return w
