"""Randomly pivoted Cholesky: a low-rank approximation from few columns, and a preconditioner.

Y. Chen, E. N. Epperly, J. A. Tropp, R. J. Webber, "Randomly pivoted Cholesky: Practical
approximation of a kernel matrix with few entry evaluations", https://arxiv.org/abs/2207.06503
E. N. Epperly, J. A. Tropp, R. J. Webber, "Embrace rejection: Kernel matrix approximation by
accelerated randomly pivoted Cholesky", https://arxiv.org/abs/2410.03969
M. Díaz, E. N. Epperly, Z. Frangella, J. A. Tropp, R. J. Webber, "Robust, randomized
preconditioning for kernel ridge regression", https://arxiv.org/abs/2304.12465
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.preconditioner import FactorPlusDiagonal
from mercer.linalg.random_source import random_source
from mercer.linalg.shifted import positive_shift, split_shift
from mercer.operators.base import Operator


class PartialCholesky(NamedTuple):
    """``K ≈ F Fᵀ``, exact in the columns ``pivots``; ``remainder`` is ``diag(K - F Fᵀ)``."""

    factor: Tensor  # [n, k]
    pivots: Tensor  # [k]
    remainder: Tensor  # [n]


@torch.no_grad()
def partial_cholesky(
    K: Operator,
    rank: int,
    *,
    block_size: int | None = None,
    tol: float = 0.0,
    generator: torch.Generator | None = None,
) -> PartialCholesky:
    """Approximate a psd operator by columns drawn in proportion to what is missing.

    Pivots are drawn from the diagonal of the remainder, ``block_size`` at a time, and each draw is
    accepted with the ratio of its remainder after and before the earlier ones of the block: the law
    is that of one draw at a time, with matrix products in place of vector ones.

    Parameters
    ----------
    K : Operator, shape (n, n)
        Positive semidefinite; asked for its diagonal and for columns.
    rank : int, at least 1
        Largest number of pivots.
    block_size : int, optional
        Draws at a time; default ``max(1, min(64, rank // 4))``. 1 is the plain algorithm.
    tol : float, in [0, 1)
        Stop when the trace of the remainder is at most ``tol`` times the trace of ``K``.
    generator : torch.Generator, optional
        Source of the draws, on the device of ``K``.

    Returns
    -------
    PartialCholesky
        ``factor`` [n, k], ``pivots`` [k], ``remainder`` [n], with ``k <= rank``.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> a = torch.tensor([[1.0], [2.0], [3.0]])
    >>> K = Dense(a @ a.mT, tags={"symmetric", "psd"})
    >>> partial_cholesky(K, 3).factor.shape
    torch.Size([3, 1])
    """
    if K.batch:
        raise ValueError(
            f"randomly pivoted Cholesky takes one operator, got a batch of shape {tuple(K.batch)}; "
            "take the operators of the batch one by one"
        )
    rank = min(checks.count("rank", rank), K.n)
    block = (
        max(1, min(64, rank // 4)) if block_size is None else checks.count("block_size", block_size)
    )
    generator = random_source(generator, K.device)
    d = K.diagonal().detach().clone()  # [n]
    total = float(d.sum())
    # What rounding leaves of an eliminated entry must not be drawn again.
    floor = max(tol, K.n * torch.finfo(K.dtype).eps) * total
    F = d.new_zeros(K.n, rank)
    pivots: list[Tensor] = []
    k = 0
    while k < rank and float(d.sum()) > floor:
        S = torch.multinomial(d, block, replacement=True, generator=generator)
        S, L = _accepted(K, S, F[:, :k], d, rank - k, generator)
        C = K.columns(S).detach() - F[:, :k] @ F[S, :k].mT  # [n, |S|]
        F[:, k : k + len(S)] = torch.linalg.solve_triangular(L.mT, C, upper=True, left=False)
        d = (d - F[:, k : k + len(S)].square().sum(dim=1)).clamp_min(0)
        d[S] = 0
        pivots.append(S)
        k += len(S)
    index = torch.cat(pivots) if pivots else torch.zeros(0, dtype=torch.long, device=K.device)
    return PartialCholesky(F[:, :k].clone(), index, d)


def _accepted(
    K: Operator, S: Tensor, F: Tensor, d: Tensor, room: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Accept draws in turn and return them with the Cholesky factor of the remainder on them."""
    i, j = torch.broadcast_tensors(S[:, None], S)
    H = K._entries(i, j).detach() - F[S] @ F[S].mT  # [s, s]
    u = torch.rand(len(S), dtype=d.dtype, device=d.device, generator=generator) * d[S]
    H, limit = H.to("cpu", torch.float64), u.to("cpu", torch.float64).tolist()
    L = torch.zeros_like(H)
    kept: list[int] = []
    for s in range(len(S)):
        left = float(H[s, s])
        if len(kept) < room and left > 0 and limit[s] <= left:
            column = H[:, s] / math.sqrt(left)
            L[:, len(kept)] = column
            H = H - torch.outer(column, column)
            H[s, s] = 0.0
            kept.append(s)
    if not kept:
        # Rounding left nothing of a draw that the diagonal offered; take it with its own remainder.
        return S[:1], d[S[:1], None].sqrt()
    return S[kept], L[kept][:, : len(kept)].tril().to(d)


class RandomlyPivotedCholesky(FactorPlusDiagonal):
    """Preconditioner ``F Fᵀ + noise`` for ``A + noise I``, with ``A ≈ F Fᵀ`` from random pivots.

    Parameters
    ----------
    K : Operator, shape (n, n)
        Positive semidefinite. A multiple of the identity or a diagonal in the sum is the noise.
    rank : int, optional
        Largest number of pivots; default ``min(n, 1000, 2 sqrt(n) + 10)``.
    noise : float or Tensor, above 0, optional
        What is added to ``F Fᵀ``; default the noise in ``K``, or the mean remainder if it has none.
    block_size, generator
        See :func:`partial_cholesky`.

    Examples
    --------
    >>> from mercer.operators import Dense, Identity
    >>> a = torch.tensor([[1.0], [2.0]])
    >>> K = Dense(a @ a.mT, tags={"symmetric", "psd"}) + 0.5 * Identity(2)
    >>> P = RandomlyPivotedCholesky(K, rank=1)
    >>> torch.allclose(P.apply(K.dense()), torch.eye(2), atol=1e-5)
    True

    References
    ----------
    Díaz, Epperly, Frangella, Tropp, Webber, "Robust, randomized preconditioning for kernel ridge
    regression", https://arxiv.org/abs/2304.12465
    """

    def __init__(
        self,
        K: Operator,
        rank: int | None = None,
        *,
        noise: float | Tensor | None = None,
        block_size: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        A, shift = split_shift(K)
        if rank is None:
            rank = min(max(K.n, 1), 1000, int(2 * math.sqrt(K.n)) + 10)
        F, self.pivots, remainder = partial_cholesky(
            A, rank, block_size=block_size, generator=generator
        )
        super().__init__(F, positive_shift(A, shift if noise is None else noise, remainder))
