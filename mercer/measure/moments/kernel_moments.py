"""The kernel method of moments."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.features import FeatureMap
from mercer.kernels import Kernel
from mercer.measure.moments.concave_dual import Dual
from mercer.measure.moments.divergence import conjugate
from mercer.measure.moments.instruments import (
    Instruments,
    coordinates,
    instrument_functions,
    median_kernel,
    products,
)
from mercer.measure.moments.problem import MomentProblem
from mercer.measure.moments.profile import ProfileEstimator
from mercer.measure.moments.reference import reference_points


class KMM(ProfileEstimator):
    r"""The parameters whose moments vanish under a distribution close in the mean discrepancy.

    .. math::

        R(\theta) = \min_P \; \tfrac12 \mathrm{MMD}^2(P, \hat P_n)
        + \epsilon D_\varphi(P \| \omega) \quad \text{with} \quad E_P[m(\theta)] = 0

    where :math:`\omega` has equal weights on the sample and on further points, so that ``P`` need
    not be a reweighted sample, and :math:`m = \psi(x; \theta) \otimes b(z)`. Its dual

    .. math::

        \sup_{f, \eta, \lambda} \; \tfrac1n \sum_i f(x_i) + \eta - \tfrac12 \|f\|^2
        - \tfrac\rho2 |\lambda|^2 - \epsilon \, E_\omega \Big[
        \varphi^*\Big(\frac{f + \eta - \lambda \cdot m(\theta)}\epsilon\Big) \Big]

    is solved by Newton's method in coordinates of the kernel's space, its minimum over
    :math:`\theta` by a quasi-Newton method.

    Parameters
    ----------
    problem : MomentProblem
        Moment function and start.
    kernel : Kernel or FeatureMap, optional
        Of the discrepancy, on the columns of ``x`` and ``z`` side by side; random features do. The
        Gaussian at median distances by default.
    entropy : float
        :math:`\epsilon`, positive. Large, the estimator is :class:`GEL`'s on the reference points.
    divergence : {"kl", "log", "chi2"}
        :math:`\varphi`.
    reference : {"sample", "uniform", "kde"}
        What is added to the sample for :math:`\omega`.
    reference_count : int
        How many points.
    bandwidth : float
        Of ``"kde"``, in standard deviations of each column.
    instruments : Kernel, FeatureMap, callable or None
        The functions :math:`b`, as in :class:`GMM`.
    regularisation : float
        :math:`\rho`, at least 0.
    rank : int
        Most coordinates of a kernel's space.
    generator : torch.Generator, optional
        Of reference points and of which points span a space.
    penalty, tolerance, max_iterations
        As in :class:`~mercer.measure.moments.estimator.MomentEstimator`.

    Attributes
    ----------
    reference_ : Tensor, shape (N, d + e)
        Points of :math:`\omega`, ``x`` and ``z`` side by side; the sample comes first.
    weights_ : Tensor, shape (N,)
        Of ``P`` at the estimate.

    References
    ----------
    H. Kremer, Y. Nemmour, B. Schölkopf, J.-J. Zhu, "Estimation Beyond Data Reweighting: Kernel
    Method of Moments". https://arxiv.org/abs/2305.10898

    Examples
    --------
    >>> problem = MomentProblem(lambda x, theta: x - theta, torch.zeros(1).double())
    >>> x = torch.tensor([[1.0], [2.0], [6.0]]).double()
    >>> KMM(problem).fit(x).round(decimals=4)
    tensor([3.], dtype=torch.float64)
    """

    def __init__(
        self,
        problem: MomentProblem,
        *,
        kernel: Kernel | FeatureMap | None = None,
        entropy: float = 1.0,
        divergence: str = "kl",
        reference: str = "sample",
        reference_count: int = 0,
        bandwidth: float = 0.1,
        instruments: Instruments = None,
        regularisation: float = 0.0,
        rank: int = 100,
        generator: torch.Generator | None = None,
        **outer: Any,
    ) -> None:
        super().__init__(problem, **outer)
        self.kernel = kernel
        self.entropy = float(checks.positive("entropy", entropy))
        self.conjugate = conjugate(divergence)
        self.reference = reference
        self.reference_count = reference_count
        self.bandwidth = bandwidth
        self.instruments = instruments
        self.regularisation = checks.interval("regularisation", regularisation, 0.0, 1e300)
        self.rank = checks.count("rank", rank)
        self.generator = generator

    def _estimate(self, x: Tensor, z: Tensor | None, start: Tensor) -> Tensor:
        phi = self._discrepancy_coordinates(x, z)  # [N, r], the sample's rows first
        x, z = self._reference(x, z)
        self.problem.check_start(x, start, "the reference points")
        b = instrument_functions(
            self.instruments, z, len(x), rank=self.rank, generator=self.generator
        )  # [N, k]
        one = phi.new_ones(len(x), 1)
        mean = phi[: self._n].mean(dim=0)

        def dual(theta: Tensor) -> Dual:
            m = products(self.problem(x, theta), b)  # [N, q k]
            zero = m.new_zeros(m.shape[1])
            # s = (coordinates of f, eta, lambda)
            A = torch.cat([phi, one, -m], dim=1)
            c = torch.cat([mean, one[0], zero])
            P = torch.cat([torch.ones_like(mean), 0 * one[0], zero + self.regularisation])
            return Dual(A, c, P, self.entropy, self.conjugate)

        return self._minimise_profile(dual, start)

    def _discrepancy_coordinates(self, x: Tensor, z: Tensor | None) -> Tensor:
        """Draw the reference points; coordinates of the discrepancy's space there."""
        sample = x if z is None else torch.cat([x, z], dim=1)
        self._n = len(sample)
        self.reference_ = reference_points(
            sample,
            self.reference,
            self.reference_count,
            bandwidth=self.bandwidth,
            generator=self.generator,
        )
        kernel = self.kernel or median_kernel(sample)
        return coordinates(kernel, self.reference_, rank=self.rank, generator=self.generator)

    def _reference(self, x: Tensor, z: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The reference points, ``x`` and ``z`` apart."""
        d = x.shape[1]
        return self.reference_[:, :d], None if z is None else self.reference_[:, d:]


class ConditionalKMM(KMM):
    r"""The kernel method of moments for :math:`E[\psi(X; \theta) | Z] = 0`.

    :math:`\lambda` is a function of the instruments in the space of a second kernel, and
    :math:`\rho` penalises its squared norm.

    Parameters
    ----------
    problem : MomentProblem
        Moment function and start.
    kernel_z : Kernel or FeatureMap, optional
        Of the functions of the instruments; the Gaussian at median distances by default.
    regularisation : float
        :math:`\rho`, positive.
    outer
        All other arguments of :class:`KMM`.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> z, e = torch.randn(2, 200, 1, generator=g, dtype=torch.float64)
    >>> x = torch.cat([z + e, 2 * (z + e) + e], dim=1)  # y = 2 t + e, and e is in t too
    >>> def residual(x, theta):
    ...     return x[:, 1:] - theta * x[:, :1]
    >>> problem = MomentProblem(residual, torch.zeros(1).double())
    >>> abs(float(ConditionalKMM(problem).fit(x, z)) - 2) < 0.15
    True
    """

    def __init__(
        self,
        problem: MomentProblem,
        *,
        kernel_z: Kernel | FeatureMap | None = None,
        regularisation: float = 1e-2,
        **outer: Any,
    ) -> None:
        checks.positive("regularisation", regularisation)
        super().__init__(problem, instruments=kernel_z, regularisation=regularisation, **outer)
        self.kernel_z = kernel_z

    def _estimate(self, x: Tensor, z: Tensor | None, start: Tensor) -> Tensor:
        if z is None:
            raise ValueError("z must be given: the restriction is conditional on it, got None")
        self.instruments = self.kernel_z or median_kernel(z)
        return super()._estimate(x, z, start)
