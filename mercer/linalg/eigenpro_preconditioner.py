"""The spectral preconditioner of EigenPro: the top eigenfunctions of a subsample, damped."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator

KernelFunction = Callable[[Tensor, Tensor], Operator]
POWER_STEPS = 20


class EigenProPreconditioner:
    r"""``P = I - Σ (1 - λ_{q+1} / λ_i) ψ_i ⊗ ψ_i`` from the top-q eigensystem of a subsample.

    With :math:`K(X_s, X_s) e_i = \lambda_i e_i` the eigenfunctions are
    :math:`\psi_i = K(\cdot, X_s) e_i / \sqrt{\lambda_i}`. With
    :math:`D = \Lambda^{-1} - \lambda_{q+1} \Lambda^{-2}` and :math:`F = E D^{1/2}`

    .. math:: P K(\cdot, A) u = K(\cdot, A) u - K(\cdot, X_s) F F^T K(X_s, A) u.

    Parameters
    ----------
    kernel : callable
        ``kernel(X, Y)`` is the positive semidefinite operator of all pairs.
    points : Tensor, shape (s, d)
        The subsample :math:`X_s`.
    rank : int, optional
        ``q``, from 0 (no preconditioning) to ``s - 1``. Default: the smallest with which a batch of
        ``largest_batch`` rows still pays, at most ``s // 2``.
    largest_batch : int
        Rows of a batch that the memory allows.
    nugget : float, at least 0
        Added to the diagonal of ``K(X_s, X_s)``.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> P = EigenProPreconditioner(RBF(), torch.linspace(0, 4, 9)[:, None], rank=2)
    >>> P.basis.shape, bool(P.curvature < P.values[0] / 9)
    (torch.Size([9, 2]), True)

    References
    ----------
    S. Ma, M. Belkin, "Kernel machines that adapt to GPUs for effective large batch training",
    https://arxiv.org/abs/1806.06144; A. Abedsoltan, P. Pandit, L. Rademacher, M. Belkin, "On the
    Nyström approximation for preconditioning in kernel machines", https://arxiv.org/abs/2312.03311
    """

    def __init__(
        self,
        kernel: KernelFunction,
        points: Tensor,
        *,
        rank: int | None = None,
        largest_batch: int = 2**13,
        nugget: float = 0.0,
    ) -> None:
        s = len(points)
        K = kernel(points, points).dense().double()  # [s, s]
        K.diagonal().add_(nugget)
        # The largest k(x, x) bounds how much one sample can move the function.
        self.beta = float(K.diagonal().max())
        values, vectors = torch.linalg.eigh(K)
        values, vectors = values.flip(0).clamp_min(0), vectors.flip(1)
        q = _rank(values, self.beta, rank, largest_batch)
        self.size = s
        self.values = values[:q]
        # The (q+1)-th eigenvalue over s estimates the largest eigenvalue that is left in the
        # covariance operator of the data.
        self.curvature = float(values[q]) / s
        # ψ = K(., X_s) basis
        self.basis = (vectors[:, :q] * self.values.rsqrt()).to(points)  # [s, q]

    @property
    def rank(self) -> int:
        """``q``, the number of damped eigenfunctions."""
        return len(self.values)

    def weights(self, curvature: float) -> Tensor:
        r"""Column scales :math:`(1 - s \lambda / \lambda_i)^{1/2}` that make ``basis`` into ``F``.

        Parameters
        ----------
        curvature : float
            :math:`\lambda`, to which the eigenvalues of the covariance operator are damped; below
            the one of the subsample there is nothing to gain.

        Returns
        -------
        Tensor, shape (q,)
            0 where an eigenvalue is smaller already.
        """
        tail = self.size * max(curvature, self.curvature)
        return (1 - tail / self.values).clamp_min(0).sqrt().to(self.basis)

    def curvature_on(self, K: Tensor, V: Tensor) -> float:
        r"""The :math:`\lambda_1(P K)` that explains a sample.

        Parameters
        ----------
        K : Tensor, shape (t, t)
            ``K(X_t, X_t)``.
        V : Tensor, shape (t, q)
            ``K(X_t, X_s) F``.

        Returns
        -------
        float
            With ``t`` samples the top eigenvalue of :math:`(K - V V^T) / t` is near
            :math:`(\beta + (t - 1) \lambda_1) / t`; this is solved for :math:`\lambda_1`.
        """
        t = len(K)
        if t < 2:
            return 0.0
        K, V = K.double(), V.double()
        u = K.sum(dim=1, keepdim=True)
        for _ in range(POWER_STEPS):
            u = u / torch.linalg.vector_norm(u).clamp_min(torch.finfo(K.dtype).tiny)
            u = K @ u - V @ (V.mT @ u)
        top = float(torch.linalg.vector_norm(u))
        return max(0.0, (top - self.beta) / (t - 1))

    def reached(self, K: Tensor, V: Tensor, batch_size: int) -> tuple[float, float]:
        r"""To which curvature to damp, and the curvature that is then left, on a sample.

        Eigenfunctions of a subsample miss a part of those of the data, and below
        :math:`\beta / m` a batch of ``m`` allows no longer step. To damp further would only slow
        the damped directions down.

        Parameters
        ----------
        K : Tensor, shape (t, t)
            ``K(X_t, X_t)``.
        V : Tensor, shape (t, q)
            ``K(X_t, X_s)`` times ``basis``.
        batch_size : int, at least 1
            ``m``.

        Returns
        -------
        tuple of float
        """
        missed = self.curvature_on(K, V * self.weights(self.curvature))
        target = max(self.curvature, missed, self.beta / batch_size)
        return target, max(target, self.curvature_on(K, V * self.weights(target)))

    def batch_size(self, curvature: float, largest: int) -> int:
        r"""The critical batch size :math:`m^* = \beta / \lambda_1(P K) + 1`, cut to ``largest``."""
        if curvature <= 0:
            return largest
        return max(1, min(largest, int(self.beta / curvature) + 1))


def step_per_sample(beta: float, curvature: float, batch_size: int) -> float:
    r"""The optimal step over the batch, :math:`\eta^*(m) / m = 1 / (\beta + (m - 1) \lambda_1)`.

    Parameters
    ----------
    beta : float, above 0
        The largest ``k(x, x)``.
    curvature : float, at least 0
        :math:`\lambda_1`, the largest eigenvalue of the preconditioned covariance operator.
    batch_size : int, at least 1
        ``m``.

    Returns
    -------
    float

    Examples
    --------
    >>> step_per_sample(1.0, 0.01, 101)
    0.5

    References
    ----------
    S. Ma, R. Bassily, M. Belkin, "The power of interpolation: understanding the effectiveness of
    SGD in modern over-parametrized learning", https://arxiv.org/abs/1712.06559
    """
    return 1 / (beta + (batch_size - 1) * curvature)


def _rank(values: Tensor, beta: float, rank: int | None, largest_batch: int) -> int:
    s = len(values)
    if rank is not None:
        rank = checks.count("preconditioner_rank", rank, least=0)
        if rank >= s:
            raise ValueError(
                f"preconditioner_rank must be below the {s} points of the subsample, got {rank}"
            )
        # An eigenvalue of zero has no eigenfunction to damp.
        return min(rank, int((values > 0).sum()) - 1)
    # beta s / lambda_{q+1} is the batch up to which doubling it halves the number of steps.
    q = int((values * largest_batch > beta * s).sum())
    return max(0, min(q, s // 2, int((values > 0).sum()) - 1))
