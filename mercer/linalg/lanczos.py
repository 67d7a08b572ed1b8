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


@torch.no_grad()
def lanczos(A: Operator, start: Tensor, *, steps: int) -> Tridiagonalisation:
    """Tridiagonalise ``A`` on the Krylov space of each column of ``start``; without derivative.

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
    tensor([1.0000, 2.0000])
    """
    k = min(checks.count("steps", steps), A.n)
    batch = torch.broadcast_shapes(A.batch, start.shape[:-2])
    q = start.expand(*batch, *start.shape[-2:]).mT  # [*batch, c, n], one vector a row
    q = q / torch.linalg.vector_norm(q, dim=-1, keepdim=True)
    Q = q.new_zeros(*q.shape, k)  # [*batch, c, n, k]
    T = q.new_zeros(*q.shape[:-1], k, k)
    tiny = 10 * A.n * torch.finfo(A.dtype).eps
    size = q.new_zeros(q.shape[:-1])  # [*batch, c], the largest coefficient so far
    for step in range(k):
        Q[..., step] = q
        w = (A @ q.mT).mT
        alpha = (q * w).sum(-1)
        basis = Q[..., : step + 1]
        for _ in range(2):
            w = w - (basis @ (basis.mT @ w[..., None])).squeeze(-1)
        beta = torch.linalg.vector_norm(w, dim=-1)
        size = torch.maximum(size, torch.maximum(alpha.abs(), beta))
        alive = beta > tiny * size
        T[..., step, step] = torch.where((q != 0).any(-1), alpha, 1.0)
        beta = torch.where(alive, beta, 0.0)
        if step + 1 < k:
            T[..., step, step + 1] = T[..., step + 1, step] = beta
        q = torch.where(alive[..., None], w / torch.where(alive, beta, 1.0)[..., None], 0.0)
    return Tridiagonalisation(Q, T)
