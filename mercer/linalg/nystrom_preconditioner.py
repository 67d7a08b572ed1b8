"""The randomised Nyström preconditioner.

Z. Frangella, J. A. Tropp, M. Udell, "Randomized Nyström Preconditioning",
https://arxiv.org/abs/2110.02820
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.random_source import random_source
from mercer.linalg.shifted import positive_shift, split_shift
from mercer.operators.base import Operator


class NystromApproximation(NamedTuple):
    """``A ≈ U diag(values) Uᵀ`` with orthonormal ``U``, values descending."""

    vectors: Tensor  # [n, k]
    values: Tensor  # [k]


@torch.no_grad()
def nystrom_approximation(
    A: Operator, rank: int, *, generator: torch.Generator | None = None
) -> NystromApproximation:
    """Approximate a positive semidefinite operator by its action on ``rank`` random directions.

    Parameters
    ----------
    A : Operator, shape (n, n)
        Positive semidefinite; multiplied once by an ``n x rank`` matrix.
    rank : int, at least 1
        Number of directions; cut to ``n``.
    generator : torch.Generator, optional
        Source of the directions.

    Returns
    -------
    NystromApproximation
        ``vectors`` [n, rank] and ``values`` [rank].

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> A = Dense(torch.diag(torch.tensor([3.0, 2.0])), tags={"symmetric", "psd"})
    >>> nystrom_approximation(A, 2).values
    tensor([3.0000, 2.0000])
    """
    rank = min(checks.count("rank", rank), A.n)
    generator = random_source(generator, A.device)
    Omega = torch.randn(A.n, rank, dtype=A.dtype, device=A.device, generator=generator)
    Omega = torch.linalg.qr(Omega).Q  # [n, k]
    Y = A @ Omega
    # The shift makes the core positive definite in finite precision and is taken off again.
    shift = math.sqrt(A.n) * torch.finfo(A.dtype).eps * torch.linalg.matrix_norm(Y)
    Y = Y + shift * Omega
    core = Omega.mT @ Y  # [k, k]
    values, W = torch.linalg.eigh(0.5 * (core + core.mT))
    root = values.clamp_min(shift).rsqrt()
    B = Y @ (W * root)  # [n, k], B Bᵀ = Y core^{-1} Yᵀ
    U, S, _ = torch.linalg.svd(B, full_matrices=False)
    return NystromApproximation(U, (S.square() - shift).clamp_min(0))


class NystromPreconditioner:
    r"""Preconditioner for ``K = A + noise I`` from a randomised Nyström approximation of ``A``.

    :math:`P^{-1} = (\hat\lambda_\ell + \mu)\, U (\hat\Lambda + \mu)^{-1} U^T + (I - U U^T)`.

    Parameters
    ----------
    K : Operator, shape (n, n)
        Positive semidefinite. A multiple of the identity in the sum is the noise ``mu``.
    rank : int, optional
        Default ``min(n, 1000, 2 sqrt(n) + 10)``.
    noise : float, above 0, optional
        ``mu``; default the noise in ``K``, or the smallest value found if it has none.
    generator : torch.Generator, optional
        Source of the directions.

    Raises
    ------
    ValueError
        If the noise is a diagonal with differing entries.

    Examples
    --------
    >>> from mercer.operators import Dense, Identity
    >>> K = Dense(torch.diag(torch.tensor([3.0, 2.0])), tags={"symmetric", "psd"}) + Identity(2)
    >>> P = NystromPreconditioner(K, rank=2)
    >>> torch.allclose(3 * P.apply(torch.eye(2)), 9 * torch.linalg.inv(K.dense()), atol=1e-5)
    True
    """

    def __init__(
        self,
        K: Operator,
        rank: int | None = None,
        *,
        noise: float | Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        A, shift = split_shift(K)
        if noise is None:
            noise = shift
        if isinstance(noise, Tensor) and noise.ndim > 0:
            raise ValueError(
                "the Nyström preconditioner needs one noise for all rows, got a diagonal; "
                "use RandomlyPivotedCholesky"
            )
        if rank is None:
            rank = min(max(K.n, 1), 1000, int(2 * math.sqrt(K.n)) + 10)
        self.U, values = nystrom_approximation(A, rank, generator=generator)
        mu = positive_shift(A, noise, values[-1:])
        self.weight = ((values[-1] + mu) / (values + mu))[:, None]  # [k, 1]

    def apply(self, R: Tensor) -> Tensor:
        """Return ``P^{-1} R``."""
        UR = self.U.mT @ R
        return R + self.U @ ((self.weight - 1) * UR)
