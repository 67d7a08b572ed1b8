"""Samples of the circle and of Gaussian features, and the error of a spectral algorithm on them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mercer.learn.spectral.filter import spectral_filter
from mercer.learn.spectral.generalisation_error import spectrum_and_target
from mercer.learn.spectral.profile import SpectralProfile

Errors = Callable[[SpectralProfile], float]


def simulate_circle(
    eigenvalues: Tensor,
    target: Tensor,
    *,
    samples: int,
    noise: float,
    generator: torch.Generator | None = None,
) -> Errors:
    """Draw one sample of the model of :func:`circle`; return the error of any profile on it.

    Parameters are those of :func:`circle`; phases of the target, the offset of the points and the
    noise come from ``generator``.

    Returns
    -------
    callable
        From a profile to the mean squared error over the circle.

    Examples
    --------
    >>> from mercer.learn.spectral import Ridge
    >>> spectrum = (torch.arange(50.0) + 1) ** -2
    >>> error = simulate_circle(spectrum, spectrum, samples=20, noise=0.0)
    >>> error(Ridge(1e-4)) < error(Ridge(1.0))
    True
    """
    lam, c2 = spectrum_and_target(eigenvalues, target, samples, noise)
    l = torch.arange(len(lam), dtype=torch.float64)
    both = torch.where(l > 0, 2.0, 1.0)  # l and -l
    offset, *phase = (2 * math.pi * torch.rand(len(l), generator=generator)).double()
    x = offset + 2 * math.pi * torch.arange(samples) / samples
    wave = torch.exp(1j * torch.outer(x, l))  # [N, m]
    c = c2.sqrt() * torch.exp(1j * torch.stack([torch.zeros_like(offset), *phase]))
    y = (wave @ (both * c)).real + noise * _normal((samples,), generator)
    K = ((wave * (both * lam)) @ wave.conj().mT).real

    def error(profile: SpectralProfile) -> float:
        a = spectral_filter(K, y, profile).coefficients
        fitted = lam * (wave.conj().mT @ a.to(wave))
        return float((both * (fitted - c).abs().square()).sum())

    return error


def simulate_wishart(
    eigenvalues: Tensor,
    target: Tensor,
    *,
    samples: int,
    noise: float,
    generator: torch.Generator | None = None,
) -> Errors:
    """Draw one sample of the model of :func:`wishart`; return the error of any profile on it.

    Parameters are those of :func:`wishart`; features, signs of the target and noise come from
    ``generator``.

    Returns
    -------
    callable
        From a profile to the mean squared error over the law of the features.

    Examples
    --------
    >>> from mercer.learn.spectral import Ridge
    >>> spectrum = (torch.arange(50.0) + 1) ** -2
    >>> error = simulate_wishart(spectrum, spectrum, samples=20, noise=0.0)
    >>> error(Ridge(1e-4)) < error(Ridge(1.0))
    True
    """
    lam, c2 = spectrum_and_target(eigenvalues, target, samples, noise)
    Z = _normal((samples, len(lam)), generator)
    c = c2.sqrt() * _normal((len(lam),), generator).sign()
    y = Z @ c + noise * _normal((samples,), generator)
    K = (Z * lam) @ Z.mT

    def error(profile: SpectralProfile) -> float:
        a = spectral_filter(K, y, profile).coefficients
        return float((lam * (Z.mT @ a) - c).square().sum())

    return error


def _normal(shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=generator)
