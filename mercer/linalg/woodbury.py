"""Low rank plus diagonal.

W. W. Hager, "Updating the Inverse of a Matrix", https://doi.org/10.1137/1031049
"""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.linalg.factor import lu_solve
from mercer.operators.low_rank import LowRank


def woodbury_solve(K: LowRank, diagonal: Tensor, B: Tensor) -> Tensor:
    r"""Solve ``(A Bᵀ + D) x = b``.

    :math:`x = D^{-1} b - D^{-1} A (I + B^T D^{-1} A)^{-1} B^T D^{-1} b`, with two steps of
    refinement that make up for the cancellation where ``D`` is small beside ``A Bᵀ``.

    Parameters
    ----------
    K : LowRank, shape (*batch, n, n)
        ``A Bᵀ``.
    diagonal : Tensor, shape () or (*batch, n)
        ``D``, without zeros.
    B : Tensor, shape (*batch, n, c)
        Right-hand sides.

    Returns
    -------
    Tensor, shape (*batch, n, c)
        The solution.

    Examples
    --------
    >>> woodbury_solve(LowRank(torch.ones(2, 1)), torch.tensor(1.0), torch.tensor([[3.0], [3.0]]))
    tensor([[1.],
            [1.]])
    """
    D = diagonal[..., None] if diagonal.ndim else diagonal  # [*batch, n, 1] or []
    left = K.A / D  # [*batch, n, r]
    core = torch.eye(K.rank, dtype=K.dtype, device=K.device) + K.B.mT @ left  # [*batch, r, r]

    def apply(R: Tensor) -> Tensor:
        R = R / D
        return R - left @ lu_solve(core, K.B.mT @ R)

    X = apply(B)
    for _ in range(2):
        X = X + apply(B - (K.A @ (K.B.mT @ X) + D * X))
    return X


def woodbury_logdet(K: LowRank, diagonal: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return sign and logarithm of :math:`\det(A B^T + D) = \det(D) \det(I + B^T D^{-1} A)`.

    Examples
    --------
    >>> woodbury_logdet(LowRank(torch.ones(2, 1)), torch.tensor(1.0))[1]
    tensor(1.0986)
    """
    D = diagonal.expand(*K.batch, K.n) if diagonal.ndim == 0 else diagonal  # [*batch, n]
    core = torch.eye(K.rank, dtype=K.dtype, device=K.device) + K.B.mT @ (K.A / D[..., None])
    sign, log = torch.linalg.slogdet(core)
    return sign * D.sign().prod(-1), log + D.abs().log().sum(-1)
