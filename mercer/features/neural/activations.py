"""Activations by name."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer.features.neural.exponentials import Exponentials
from mercer.features.neural.fourier_transform import FourierTransform
from mercer.features.neural.spectrum import Spectrum


def _single(rate: complex, amplitude: complex) -> Exponentials:
    return Exponentials(torch.tensor([rate]), torch.tensor([amplitude]))


def _gaussian_transform(omega: Tensor) -> Tensor:
    return math.sqrt(2 * math.pi) * torch.exp(-omega.square() / 2)


def _tanh_transform(omega: Tensor) -> Tensor:
    return -1j * math.pi / torch.sinh(math.pi * omega / 2)


# The proposal of tanh meets the pole of its transform: with a density that is bounded at zero the
# features would have no variance.
ACTIVATIONS: dict[str, Spectrum] = {
    "cos": _single(1j, 1.0),
    "sin": _single(1j, -1j),
    "exp": _single(1.0, 1.0),
    "gaussian": FourierTransform(
        _gaussian_transform, lambda z: torch.exp(-z.square() / 2), "half_normal"
    ),
    "sinc": FourierTransform(
        lambda omega: torch.full_like(omega, math.pi), lambda z: torch.sinc(z / math.pi), "uniform"
    ),
    "tanh": FourierTransform(_tanh_transform, torch.tanh, "chi_square"),
}


def activation_spectrum(activation: str | Spectrum) -> Spectrum:
    r"""The spectrum of an activation.

    ======== ========================== ==========================================================
    name     f(z)                       features have a variance
    ======== ========================== ==========================================================
    cos, sin :math:`\cos z, \sin z`     always
    exp      :math:`e^z`                always
    gaussian :math:`e^{-z^2 / 2}`       always
    sinc     :math:`\sin(z) / z`        always
    tanh     :math:`\tanh z`            where :math:`\|x\| \|w\| < \pi/2 - 1/4`
    ======== ========================== ==========================================================

    Parameters
    ----------
    activation : str or Spectrum
        A name above, or a spectrum, which is returned as it is.

    Returns
    -------
    Spectrum

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> activation_spectrum("cos")(torch.zeros(1))
    tensor([1.])
    """
    if isinstance(activation, Spectrum):
        return activation
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"activation must be a Spectrum or one of {', '.join(ACTIVATIONS)}, "
            f"got {activation!r}; fourier_series makes a spectrum of any other"
        )
    return ACTIVATIONS[activation]
