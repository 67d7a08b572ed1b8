r"""Modulations of the kernels in use on graphs, as functions of the normalised Laplacian.

All are for walks on :math:`W = D^{-1/2} A D^{-1/2} = I - L`, see :meth:`Graph.normalised`.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.special
import torch
from torch import Tensor

from mercer import checks
from mercer.features.graph.modulation import Modulation

Pair = tuple[Modulation, Modulation]


def exponential(time: float) -> Modulation:
    r"""The kernel :math:`\exp(t W)` of any weighted adjacency matrix ``W``.

    Parameters
    ----------
    time : float
        ``t``, of any sign.

    Returns
    -------
    Modulation

    Examples
    --------
    >>> exponential(2.0)(3)
    tensor([1.0000, 1.0000, 0.5000], dtype=torch.float64)
    """
    return _powers_over_factorials(1.0, 0.5 * time)


def diffusion(variance: float = 1.0) -> Modulation:
    r"""The diffusion kernel :math:`\exp(-\sigma^2 L / 2)`.

    Parameters
    ----------
    variance : float
        :math:`\sigma^2`, positive.

    Returns
    -------
    Modulation

    Examples
    --------
    >>> diffusion(4.0)(3) * math.e
    tensor([1.0000, 1.0000, 0.5000], dtype=torch.float64)
    """
    checks.positive("variance", variance)
    return _powers_over_factorials(math.exp(-0.25 * variance), 0.25 * variance)


def regularised_laplacian(power: float = 1.0, variance: float = 1.0) -> Modulation:
    r"""The regularised Laplacian kernel :math:`(I + \sigma^2 L)^{-d}`.

    Parameters
    ----------
    power : float
        ``d``, positive.
    variance : float
        :math:`\sigma^2`, positive.

    Returns
    -------
    Modulation

    Examples
    --------
    >>> 2 * regularised_laplacian(2.0)(3)  # 1 / (1 - x / 2)
    tensor([1.0000, 0.5000, 0.2500], dtype=torch.float64)
    """
    checks.positive("power", power)
    checks.positive("variance", variance)
    half, ratio = 0.5 * power, variance / (1.0 + variance)

    def coefficients(count: int) -> Tensor:
        l = torch.arange(count, dtype=torch.float64)
        logs = torch.lgamma(l + half) - math.lgamma(half) - torch.lgamma(l + 1.0)
        return (1.0 + variance) ** -half * (logs + l * math.log(ratio)).exp()

    return Modulation(coefficients)


def matern(smoothness: float, lengthscale: float) -> Modulation:
    r"""The Matérn kernel :math:`(I + \frac{\kappa^2}{2 \nu} L)^{-\nu}`.

    Parameters
    ----------
    smoothness : float
        :math:`\nu`, positive.
    lengthscale : float
        :math:`\kappa` in steps, positive.

    Returns
    -------
    Modulation

    Examples
    --------
    >>> torch.equal(matern(1.0, 2.0)(5), regularised_laplacian(1.0, 2.0)(5))
    True

    References
    ----------
    V. Borovitskiy et al., "Matérn Gaussian processes on graphs",
    https://arxiv.org/abs/2010.15538
    """
    checks.positive("smoothness", smoothness)
    checks.positive("lengthscale", lengthscale)
    return regularised_laplacian(smoothness, lengthscale**2 / (2.0 * smoothness))


def p_step_random_walk(steps: int, shift: float = 2.0) -> Modulation | Pair:
    r"""The random-walk kernel :math:`(a I - L)^p`, positive semidefinite for even ``p``.

    Parameters
    ----------
    steps : int
        ``p``, at least one.
    shift : float
        ``a``, at least 2.

    Returns
    -------
    Modulation or pair of Modulation
        For odd ``p`` the pair of ``(a I - L)^((p - 1) / 2)`` and ``(a I - L)^((p + 1) / 2)``:
        polynomials, where the square root is an endless series of infinite variance at ``a = 2``.

    Examples
    --------
    >>> p_step_random_walk(4)(4)  # (1 + x)^2
    tensor([1., 2., 1., 0.], dtype=torch.float64)
    """
    checks.count("steps", steps)
    if not shift >= 2.0:
        raise ValueError(f"shift must be at least 2, got {shift:g}")
    if steps % 2 == 0:
        return _binomial(steps // 2, shift - 1.0)
    return _binomial(steps // 2, shift - 1.0), _binomial(steps // 2 + 1, shift - 1.0)


def inverse_cosine() -> Pair:
    r"""The inverse cosine kernel :math:`\cos(\pi L / 4)`.

    Returns
    -------
    pair of Modulation
        Of :math:`e^{\pi W / 8}` and :math:`\cos(\pi L / 4) e^{-\pi W / 8}`, which are equal up to
        the first order. The square root of the kernel ends its disc of convergence at the
        eigenvalue -1 of ``W``; its features have infinite variance.

    Examples
    --------
    >>> f, g = inverse_cosine()
    >>> f(2) / f(1), g(2) / g(1)
    (tensor([1.0000, 0.3927], dtype=torch.float64), tensor([1.0000, 0.3927], dtype=torch.float64))
    """
    rate = math.pi / 8

    def cofactor(count: int) -> Tensor:
        # cos(pi/4 - 2 r x) exp(-r x) is the real part of exp(i pi/4 - r (1 + 2i) x).
        l = np.arange(count)
        terms = np.exp(0.25j * np.pi) * (-rate * (1 + 2j)) ** l / scipy.special.factorial(l)
        return torch.from_numpy(np.ascontiguousarray(terms.real))

    return _powers_over_factorials(1.0, rate), Modulation(cofactor)


def _powers_over_factorials(scale: float, rate: float) -> Modulation:
    """``scale rate^l / l!``."""

    def coefficients(count: int) -> Tensor:
        l = torch.arange(1, count, dtype=torch.float64)
        return scale * torch.cat([l.new_ones(min(count, 1)), (rate / l).cumprod(0)])

    return Modulation(coefficients)


def _binomial(power: int, shift: float) -> Modulation:
    """The coefficients of ``(shift + x)^power``."""

    def coefficients(count: int) -> Tensor:
        terms = [math.comb(power, l) * shift ** max(power - l, 0) for l in range(count)]
        return torch.tensor(terms, dtype=torch.float64)

    return Modulation(coefficients, longest=power)
