"""One block of rows in sketch-and-project: its preconditioner, its stepsize, its step."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.linalg.nystrom_preconditioner import nystrom_approximation
from mercer.operators.base import Operator
from mercer.operators.dense import Dense

POWER_STEPS = 10


class BlockProjection:
    r"""The approximate projection on the equations ``rows`` of ``(K + noise I) w = b``.

    :math:`P = U \hat\Lambda U^T + \rho I` with damped :math:`\rho = \lambda + \hat\lambda_r`.

    Parameters
    ----------
    K : Operator, shape (n, n)
        Positive semidefinite.
    rows : Tensor of int64, shape (s,)
        The block, distinct.
    noise : float, above 0
        :math:`\lambda`.
    rank : int, at least 1
        Of the Nyström approximation of the block.
    generator : torch.Generator
        Source of the sketch and of the start of the power method.

    Examples
    --------
    >>> K = Dense(torch.diag(torch.tensor([3.0, 1.0])), tags={"symmetric", "psd"})
    >>> block = BlockProjection(K, torch.arange(2), 1.0, 2, torch.Generator().manual_seed(0))
    >>> block.stepsize <= 1.3
    True
    """

    def __init__(
        self, K: Operator, rows: Tensor, noise: float, rank: int, generator: torch.Generator
    ) -> None:
        self.rows, self.noise = rows, noise
        self.equations = K[rows]  # s x n
        self.block = self.equations.columns(rows)  # [s, s]
        A = Dense(self.block, tags={"symmetric", "psd"})
        self.U, values = nystrom_approximation(A, rank, generator=generator)  # [s, r], [r]
        self.rho = noise + float(values[-1])
        self.shrink = (values / (values + self.rho))[:, None]
        self.stepsize = 1 / self._largest_eigenvalue(generator)

    def precondition(self, R: Tensor) -> Tensor:
        """Return ``P^{-1} R`` for ``R`` of shape ``[s, c]``."""
        return (R - self.U @ (self.shrink * (self.U.mT @ R))) / self.rho

    def step(self, y: Tensor, b: Tensor) -> Tensor:
        """Return what to take from the rows of ``y``: stepsize times preconditioned residual."""
        gradient = self.equations @ y + self.noise * y[self.rows] - b[self.rows]  # [s, c]
        return self.stepsize * self.precondition(gradient)

    def _largest_eigenvalue(self, generator: torch.Generator) -> float:
        """Randomised powering on ``(K_BB + noise) P^{-1}``."""
        q = torch.randn(
            len(self.rows),
            1,
            dtype=self.block.dtype,
            device=self.block.device,
            generator=generator,
        )
        q = q / torch.linalg.vector_norm(q)
        largest = torch.ones((), dtype=q.dtype, device=q.device)
        for _ in range(POWER_STEPS):
            p = self.precondition(q)
            image = self.block @ p + self.noise * p
            # A Rayleigh quotient in the norm of P^{-1}, in which the product is symmetric.
            largest = (p * image).sum() / (p * q).sum()
            q = image / torch.linalg.vector_norm(image)
        return float(largest)
