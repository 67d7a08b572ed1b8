"""Bayesian cubature: the integrand is a draw of a Gaussian process with a fast kernel."""

from __future__ import annotations

import math
from statistics import NormalDist

import torch
from torch import Tensor

from mercer.features.cubature.rule import (
    ErrorRule,
    Estimate,
    coefficients,
    outputs_first,
    power_of_two,
)
from mercer.features.gram import differences
from mercer.features.points import DigitalNet, Lattice, PointSet
from mercer.kernels import DigitallyShiftInvariant, ShiftInvariant, WeightedProduct

ESTIMATES = ("likelihood", "cross-validation", "full")
RANGE = (-10.0, 2.0)  # of the logarithm of the factor of the weights


class BayesRule(ErrorRule):
    r"""A credible interval of the integral under a Gaussian process.

    The integrand is :math:`m + s \cdot` a process whose kernel is shift-invariant, on a lattice, or
    digitally so, on a net, so that fast transforms diagonalise its Gram matrix, with eigenvalues
    :math:`\lambda_0, \ldots, \lambda_{n-1}`. With :math:`\tilde f` the unitary coefficients of the
    data, one factor of the kernel's weights maximises the likelihood,

    .. math::

        \sum_i \log \lambda_i + n \log \sum_{i \ge 1} |\tilde f_i|^2 / \lambda_i \to \min, \quad
        |\hat\mu - \mu| \le z \sqrt{\Big(1 - \frac{n}{\lambda_0}\Big)
        \frac1n \sum_{i \ge 1} \frac{|\tilde f_i|^2}{\lambda_i}}

    and the posterior mean of the integral is the mean of the data. :math:`\lambda_0 - n` is summed
    without cancellation.

    Parameters
    ----------
    kernel : ShiftInvariant or DigitallyShiftInvariant, optional
        Of scale one. By default of order 2 on a lattice and of order 1 on a net.
    estimate : {"likelihood", "cross-validation", "full"}
        Of the factor and of ``s``: maximum likelihood; generalised cross-validation; maximum
        likelihood for the factor, while ``m`` and ``s`` are integrated out.
    first : int
        Points to begin with, a power of two.

    References
    ----------
    R. Jagadeeswaran, F. J. Hickernell, Fast automatic Bayesian cubature using lattice sampling.
    https://arxiv.org/abs/1809.09803

    R. Jagadeeswaran, F. J. Hickernell, Fast automatic Bayesian cubature using Sobol' sampling.
    https://doi.org/10.1007/978-3-031-10193-9_15

    Examples
    --------
    >>> from mercer.features.cubature import integrate
    >>> from mercer.features.points import Lattice
    >>> f = lambda x: x.sum(-1).exp()
    >>> found = integrate(f, 2, rule="bayes", points=Lattice, absolute_error=1e-6)
    >>> abs(float(found.value) - (math.e - 1) ** 2) < 1e-6, found.converged
    (True, True)
    """

    periodisation = "C1 sine"

    def __init__(
        self,
        kernel: WeightedProduct | None = None,
        estimate: str = "likelihood",
        first: int = 256,
    ) -> None:
        if estimate not in ESTIMATES:
            raise ValueError(f"estimate must be one of {', '.join(ESTIMATES)}, got {estimate!r}")
        if kernel is not None and not bool((kernel.scale == 1).all()):
            raise ValueError(f"kernel must have the scale 1, got {kernel!r}")
        self.kernel, self.estimate = kernel, estimate
        self.first = power_of_two("first", first)

    def check(self, points: PointSet) -> None:
        """A lattice needs a shift-invariant kernel, a net a digitally shift-invariant one."""
        super().check(points)
        family = ShiftInvariant if isinstance(points, Lattice) else DigitallyShiftInvariant
        if self.kernel is not None and not isinstance(self.kernel, family):
            raise ValueError(
                f"kernel must be {family.__name__} on a {type(points).__name__}, "
                f"got {self.kernel!r}"
            )

    def __call__(self, y: Tensor, points: PointSet, confidence: float) -> Estimate:
        """The mean and the half-width of its credible interval, output by output."""
        f = outputs_first(y)  # [o, n]
        kernel = self._kernel(points)
        delta = differences(kernel, points.points(f.shape[-1]).to(f.device))  # [n, d]
        power = coefficients(f, points).abs().square()  # [o, n]
        bounds = [self._bound(row, kernel, delta, points, confidence) for row in power]
        return Estimate(f.mean(-1), torch.tensor(bounds, dtype=f.dtype, device=f.device))

    def _kernel(self, points: PointSet) -> WeightedProduct:
        if self.kernel is not None:
            return self.kernel
        if isinstance(points, DigitalNet):
            return DigitallyShiftInvariant(points.dimension, 1)
        return ShiftInvariant(points.dimension, 2)

    def _bound(
        self,
        power: Tensor,
        kernel: WeightedProduct,
        delta: Tensor,
        points: PointSet,
        confidence: float,
    ) -> float:
        from scipy.optimize import minimize_scalar

        n = len(power)
        if not bool(power[1:].any()):
            return 0.0  # a constant

        def spectrum(log_factor: float) -> Tensor:
            return centred_spectrum(kernel, math.exp(log_factor), delta, points)

        def loss(log_factor: float) -> float:
            return self._loss(spectrum(log_factor), power)

        best = minimize_scalar(loss, bounds=RANGE, method="bounded", options={"xatol": 0.01})
        centred = spectrum(float(best.x))
        values, kept = usable(centred)
        energy = power[kept] / values[kept]
        above = abs(float(centred[0]))  # lambda_0 - n
        if self.estimate == "full":
            from scipy.stats import t

            quantile = float(t.ppf((1 + confidence) / 2, n - 1))
            return quantile * math.sqrt(above / n * float(energy.sum()) / (n - 1))
        if self.estimate == "likelihood":
            variance = float(energy.sum()) / n
        else:
            inverse = float((1 / values[kept]).sum()) + 1 / (n + above)
            variance = float((energy / values[kept]).sum()) / inverse
        quantile = NormalDist().inv_cdf((1 + confidence) / 2)
        return quantile * math.sqrt(above / (n + above) * variance)

    def _loss(self, centred: Tensor, power: Tensor) -> float:
        n = len(power)
        values, kept = usable(centred)
        energy = power[kept] / values[kept]
        if self.estimate == "cross-validation":
            inverse = (1 / values[kept]).sum() + 1 / values[0]
            return float((energy / values[kept]).sum().log() - 2 * inverse.log())
        determinant = values[kept].log().sum() + values[0].log()
        return float(determinant + n * energy.sum().log())


def centred_spectrum(
    kernel: WeightedProduct, factor: float, delta: Tensor, points: PointSet
) -> Tensor:
    """Eigenvalues of the Gram matrix of ``k - 1``, its weights times a factor: ``[n]``."""
    arguments = {**kernel.arguments(), "weights": factor * kernel.weights.detach()}
    column = type(kernel)(**arguments).excess(delta).detach()  # [n]
    return math.sqrt(len(column)) * coefficients(column[None], points)[0].real


def usable(centred: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of ``k``, and which but the first are positive beyond rounding: ``[n], [n]``."""
    values = centred.abs()
    values[0] = len(values) + centred[0]
    kept = values > 100 * torch.finfo(values.dtype).eps * values[1:].max()
    kept[0] = False
    return values, kept
