"""Projection of a function onto the span of the model centres."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.linalg.eigenpro_preconditioner import (
    EigenProPreconditioner,
    KernelFunction,
    step_per_sample,
)

MEASURED = 1000  # centres of which the curvature is measured


class ExactProjection:
    r"""``θ = (K(Z, Z) + nugget)^{-1} h`` from one Cholesky factor in float64.

    :math:`K(\cdot, Z)\theta` is the function in the span of the centres ``Z`` nearest, in the norm
    of the kernel's space, to a function with the values ``h`` on ``Z``. Takes ``8 p²`` bytes.

    Parameters
    ----------
    kernel : callable
        ``kernel(X, Y)`` is the operator of all pairs.
    centers : Tensor, shape (p, d)
        ``Z``.
    nugget : float, above 0
        Keeps the factor positive definite in the presence of equal centres.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> Z = torch.tensor([[0.0], [9.0]])
    >>> ExactProjection(RBF(), Z, 1e-7).solve(torch.tensor([[1.0], [2.0]]))
    tensor([[1.0000],
            [2.0000]])
    """

    def __init__(self, kernel: KernelFunction, centers: Tensor, nugget: float) -> None:
        K = kernel(centers, centers).dense().double()  # [p, p]
        K.diagonal().add_(nugget)
        self.L = torch.linalg.cholesky(K)

    def solve(self, h: Tensor) -> Tensor:
        """``θ`` for values ``h`` on the centres, ``[p, c] -> [p, c]``."""
        return torch.cholesky_solve(h.double(), self.L).to(h.dtype)


class IterativeProjection:
    r"""``θ ≈ K(Z, Z)^{-1} h`` by passes of EigenPro 2 over the centres, in memory linear in ``p``.

    A batch ``b`` of centres moves its own coefficients and those of the subsample ``s``:

    .. math:: r = K(Z_b, Z)\theta - h_b, \quad \theta_b \leftarrow \theta_b - \gamma r, \quad
              \theta_s \leftarrow \theta_s + \gamma F F^T K(Z_s, Z_b) r

    Parameters
    ----------
    kernel : callable
        ``kernel(X, Y)`` is the operator of all pairs.
    centers : Tensor, shape (p, d)
        ``Z``.
    preconditioner : EigenProPreconditioner
        Of the centres ``Z[rows]``.
    rows : Tensor of int64, shape (s,)
        The subsample.
    batch_size : int, at least 1
        Rows in a batch, cut to the critical batch size.
    passes : int, at least 1
        Times over the centres.
    generator : torch.Generator
        Source of the order of the centres.

    References
    ----------
    A. Abedsoltan, M. Belkin, P. Pandit, "Toward Large Kernel Models", algorithm 2,
    https://arxiv.org/abs/2302.02605
    """

    def __init__(
        self,
        kernel: KernelFunction,
        centers: Tensor,
        preconditioner: EigenProPreconditioner,
        rows: Tensor,
        batch_size: int,
        passes: int,
        generator: torch.Generator,
    ) -> None:
        self.kernel, self.centers, self.passes = kernel, centers, passes
        self.rows, self.generator = rows, generator
        order = torch.randperm(len(centers), generator=generator, device=generator.device)
        sample = centers[order[:MEASURED].to(centers.device)]
        K = kernel(sample, sample).dense()  # [t, t]
        V = kernel(sample, centers[rows]).dense() @ preconditioner.basis  # [t, q]
        target, curvature = preconditioner.reached(K, V, min(batch_size, len(centers)))
        self.factor = preconditioner.basis * preconditioner.weights(target)  # [s, q]
        self.batch_size = preconditioner.batch_size(curvature, min(batch_size, len(centers)))
        self.step = step_per_sample(preconditioner.beta, curvature, self.batch_size)

    def solve(self, h: Tensor) -> Tensor:
        """``θ`` for values ``h`` on the centres, ``[p, c] -> [p, c]``."""
        Z, theta = self.centers, torch.zeros_like(h)
        for _ in range(self.passes):
            order = torch.randperm(len(Z), generator=self.generator, device=self.generator.device)
            for b in order.to(Z.device).split(self.batch_size):
                K = self.kernel(Z[b], Z).dense()  # [m, p]
                r = K @ theta - h[b]
                correction = self.factor @ (self.factor.mT @ (K[:, self.rows].mT @ r))
                theta.index_add_(0, b, r, alpha=-self.step)
                theta.index_add_(0, self.rows, correction, alpha=self.step)
        return theta
