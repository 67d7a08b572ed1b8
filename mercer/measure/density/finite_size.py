r"""Gaussian data at finite n and d: the mean log density and who decides it, by quadrature.

For ``x`` and n points from :math:`N(0, I_d)` and a Gaussian kernel of bandwidth h the terms
:math:`z_i = e^{-D_i / 2 h^2}` of the sum :math:`Z` are independent once ``x`` is given, ``D``
having a noncentral chi-squared law, and with :math:`L(t) = E e^{-t z}`

.. math:: E \log Z = \int_0^\infty \big(e^{-t} - L(t)^n\big) \frac{dt}{t}, \qquad
    E \sum_i \Big(\frac{z_i}{Z}\Big)^2 = n \int_0^\infty t\, E[z^2 e^{-t z}]\, L(t)^{n-1} dt .
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import minimize_scalar
from scipy.stats import ncx2

from mercer import checks

LENGTHS = 6  # nodes for the squared length of x
ENERGIES = 1000  # nodes for the squared distance
SPREADS = 25.0  # how many standard deviations above its mean the distance is followed
RARE = 1e-9  # the expected number of points below the least distance followed
STEPS = 200  # of the integrals over log t


def mean_log_density(bandwidth: float, n: float, d: int) -> float:
    r"""Evaluate :math:`E \log \hat\rho(x)`.

    Parameters
    ----------
    bandwidth : float, positive
        ``h``, of the Gaussian kernel.
    n : float, at least 1
        The number of points; it may be larger than any sample that could be drawn.
    d : int, at least 1
        The dimension.

    Returns
    -------
    float

    Examples
    --------
    >>> round(mean_log_density(1.0, 1, 1), 4)  # -log(2 pi) / 2 - E (x - y)^2 / 2
    -1.9189
    """
    h = _checked(bandwidth, n, d)
    constant = -math.log(n) - d / 2 * math.log(2 * math.pi * h**2)
    return constant + _over_lengths(d, lambda length: _log_sum(h, _terms(n, d, length)))


def mean_participation(bandwidth: float, n: float, d: int) -> float:
    r"""Evaluate :math:`E \sum_i (z_i / Z)^2`: one over the number of points that decide.

    In the limit of large d it is :math:`1 - (h / h_G)^2` below :math:`h_G` and zero above. At
    :math:`h / \sqrt2` it says as much of the variance of the estimate, and of :math:`h_{CLT}`.

    Parameters
    ----------
    bandwidth, n, d
        As in :func:`mean_log_density`.

    Returns
    -------
    float

    Examples
    --------
    >>> round(mean_participation(1.0, 1, 3), 4)
    1.0
    """
    h = _checked(bandwidth, n, d)
    return _over_lengths(d, lambda length: _participation(h, _terms(n, d, length)))


def best_bandwidth(n: float, d: int) -> float:
    """The bandwidth at which :func:`mean_log_density` is largest.

    Parameters
    ----------
    n, d
        As there.

    Returns
    -------
    float

    Examples
    --------
    >>> round(best_bandwidth(100, 1), 2)
    0.45
    """
    found = minimize_scalar(
        lambda t: -mean_log_density(math.exp(t), n, d),
        bounds=(math.log(0.05), math.log(2.0)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(math.exp(found.x))


class _Terms(NamedTuple):
    """The law of the squared distance from a point to one of n, as nodes."""

    n: float
    D: np.ndarray  # [ENERGIES]
    mass: np.ndarray  # [ENERGIES]


def _checked(bandwidth: float, n: float, d: int) -> float:
    checks.count("d", d)
    if not 1 <= n < math.inf:
        raise ValueError(f"n must be at least 1 and finite, got {n:g}")
    return float(checks.positive("bandwidth", bandwidth))


def _over_lengths(d: int, value: Callable[[float], float]) -> float:
    """The mean over the chi-squared law: Gauss quadrature by generalised Laguerre polynomials."""
    k = np.arange(LENGTHS)
    shape = d / 2 - 1
    nodes, vectors = eigh_tridiagonal(2 * k + 1 + shape, np.sqrt(k[1:] * (k[1:] + shape)))
    return float(sum(w * value(float(2 * node)) for node, w in zip(nodes, vectors[0] ** 2)))


@functools.lru_cache(maxsize=64)
def _terms(n: float, d: int, length: float) -> _Terms:
    """The law at a point of this squared length."""
    law = ncx2(d, length)
    least = float(law.mean())
    while n * float(law.cdf(least)) > RARE and least > 1e-12:
        least *= 0.9
    # In the logarithm of D the density is smooth at zero too.
    log_D = np.linspace(math.log(least), math.log(law.mean() + SPREADS * law.std()), ENERGIES)
    mass = np.exp(law.logpdf(np.exp(log_D)) + log_D)
    return _Terms(n, np.exp(log_D), mass / mass.sum())


def _log_sum(h: float, terms: _Terms) -> float:
    """``E log Z``."""
    v, step, _, survived = _transform(h, terms)
    # Where ``L^n`` falls; of ``exp(-t)`` in its place that is known: Euler's constant.
    return -float(v[0] + step * (np.sum(survived) - 0.5)) - float(np.euler_gamma)


def _participation(h: float, terms: _Terms) -> float:
    _, step, tz, survived = _transform(h, terms)
    squares = (tz**2 * np.exp(-tz)) @ terms.mass  # [STEPS]: t^2 E[z^2 exp(-t z)]
    alone = np.maximum(np.exp(-tz) @ terms.mass, 1e-300)
    return float(terms.n * step * np.sum(squares * survived / alone))


def _transform(h: float, terms: _Terms) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
    """Where ``L^n`` falls from one to zero: ``v = log t``, its step, ``t z`` and ``L^n``."""
    log_z = -terms.D / (2 * h**2)

    def survived(tz: np.ndarray) -> np.ndarray:
        lost = -np.expm1(-tz) @ terms.mass
        with np.errstate(divide="ignore"):
            return np.exp(terms.n * np.log1p(-np.minimum(lost, 1.0)))

    def tz(v: np.ndarray) -> np.ndarray:
        return np.exp(np.minimum(v[:, None] + log_z, 300.0))  # [STEPS, ENERGIES]

    ends = []
    for level in (1 - 1e-12, 1e-12):
        low, high = -float(log_z.max()) - math.log(terms.n) - 30.0, -float(log_z.min()) + 10.0
        while high - low > 0.1:
            middle = (low + high) / 2
            above = bool(survived(tz(np.array([middle])))[0] > level)
            low, high = (middle, high) if above else (low, middle)
        ends.append(low)
    v = np.linspace(ends[0], ends[1], STEPS)
    product = tz(v)
    return v, (ends[1] - ends[0]) / (STEPS - 1), product, survived(product)
