"""The smoothing kernels of density estimates: densities that are functions of the distance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy
from scipy.special import betaln, gammaln

from mercer.kernels.profile import r, s


@dataclass(frozen=True)
class SmoothingKernel:
    r"""``K(x) = c_d k(|x|)``, a density on :math:`R^d` for every d.

    Parameters
    ----------
    profile : sympy.Expr
        ``k`` in the squared distance; ``k(0) = 1``.
    exponent : sympy.Expr or None
        The logarithm of ``k``, where ``k`` is positive everywhere.
    log_moment : callable
        ``(a, p)`` to :math:`\log \int_0^\infty r^{a-1} k(r)^p dr`.
    draw : callable
        ``(random, d, count)`` to ``count`` draws of ``|x|``.
    """

    profile: sympy.Expr
    exponent: sympy.Expr | None
    log_moment: Callable[[float, float], float]
    draw: Callable[[np.random.RandomState, int, int], np.ndarray]

    def log_normaliser(self, d: int) -> float:
        """The logarithm of ``c_d``."""
        return -log_sphere(d) - self.log_moment(d, 1)

    def offsets(self, random: np.random.RandomState, d: int, count: int) -> np.ndarray:
        """Draws of ``x``, ``[count, d]``."""
        direction = random.standard_normal((count, d))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return self.draw(random, d, count)[:, None] * direction

    def variance(self, d: int) -> float:
        """The variance of one coordinate."""
        return math.exp(self.log_moment(d + 2, 1) - self.log_moment(d, 1)) / d

    def log_roughness(self, d: int) -> float:
        """The logarithm of the integral of ``K`` squared."""
        return 2 * self.log_normaliser(d) + log_sphere(d) + self.log_moment(d, 2)

    def relative_bandwidth(self, d: int) -> float:
        r"""The bandwidth that smooths as much as a Gaussian kernel of bandwidth one.

        Both then are the same multiple of the one that is best for asymptotic mean squared error,
        which is proportional to :math:`(\int K^2 / \sigma_K^4)^{1/(d+4)}`.
        """
        gaussian = KERNELS["gaussian"]
        ratio = self.log_roughness(d) - gaussian.log_roughness(d) - 2 * math.log(self.variance(d))
        return math.exp(ratio / (d + 4))


def log_sphere(d: int) -> float:
    """The logarithm of the area of the unit sphere in d dimensions."""
    return math.log(2) + d / 2 * math.log(math.pi) - float(gammaln(d / 2))


def _gaussian_log_moment(a: float, p: float) -> float:
    return math.log(0.5) + a / 2 * math.log(2 / p) + float(gammaln(a / 2))


def _exponential_log_moment(a: float, p: float) -> float:
    return float(gammaln(a)) - a * math.log(p)


def _power_of_epanechnikov(m: int) -> SmoothingKernel:
    """``(1 - r^2)_+^m``: the squared length has a beta law."""
    return SmoothingKernel(
        sympy.Max(0, 1 - s) ** m,
        None,
        lambda a, p: math.log(0.5) + float(betaln(a / 2, m * p + 1)),
        lambda random, d, n: np.sqrt(random.beta(d / 2, m + 1, n)),
    )


KERNELS = {
    "gaussian": SmoothingKernel(
        sympy.exp(-s / 2),
        -s / 2,
        _gaussian_log_moment,
        lambda random, d, n: np.sqrt(random.chisquare(d, n)),
    ),
    "exponential": SmoothingKernel(
        sympy.exp(-r), -r, _exponential_log_moment, lambda random, d, n: random.gamma(d, size=n)
    ),
    "tophat": SmoothingKernel(
        (1 + sympy.sign(1 - s)) / 2,
        None,
        lambda a, p: -math.log(a),
        lambda random, d, n: np.sqrt(random.beta(d / 2, 1, n)),
    ),
    "epanechnikov": _power_of_epanechnikov(1),
    "biweight": _power_of_epanechnikov(2),
    "linear": SmoothingKernel(
        sympy.Max(0, 1 - r),
        None,
        lambda a, p: float(betaln(a, p + 1)),
        lambda random, d, n: random.beta(d, 2, n),
    ),
}


def smoothing_kernel(name: str) -> SmoothingKernel:
    """The kernel of a name.

    Examples
    --------
    >>> round(smoothing_kernel("gaussian").log_normaliser(1), 4)  # 1 / sqrt(2 pi)
    -0.9189
    """
    if name not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {name!r}")
    return KERNELS[name]
