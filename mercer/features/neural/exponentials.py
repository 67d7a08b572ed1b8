"""A finite sum of exponentials."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.features.neural.spectrum import Spectrum


class Exponentials(Spectrum):
    r""":math:`f(z) = \mathrm{Re} \sum_j a_j e^{\zeta_j z}`, drawn in proportion to :math:`|a_j|`.

    Parameters
    ----------
    rates : Tensor, shape (J,)
        :math:`\zeta_j`, per unit of z; complex or real.
    amplitudes : Tensor, shape (J,)
        :math:`a_j`, complex or real, not all zero.

    Raises
    ------
    ValueError
        If the shapes differ, a number is not finite or all amplitudes are zero.

    Examples
    --------
    >>> sine = Exponentials(torch.tensor([1j]), torch.tensor([-1j]))
    >>> sine(torch.tensor([0.0, torch.pi / 2]))
    tensor([0., 1.])
    """

    def __init__(self, rates: Tensor, amplitudes: Tensor) -> None:
        if rates.ndim != 1 or rates.shape != amplitudes.shape or not len(rates):
            raise ValueError(
                "rates and amplitudes must have one shape (J,), got "
                f"{tuple(rates.shape)} and {tuple(amplitudes.shape)}"
            )
        for name, value in (("rates", rates), ("amplitudes", amplitudes)):
            if not bool(torch.isfinite(value).all()):
                raise ValueError(f"{name} must be finite, got {value.tolist()}")
        self.rates = rates.to(torch.complex128)
        self.amplitudes = amplitudes.to(torch.complex128)
        mass = self.amplitudes.abs()
        if not bool(mass.any()):
            raise ValueError("amplitudes must not all be zero")
        self.probabilities = mass / mass.sum()

    def __call__(self, z: Tensor) -> Tensor:
        """The sum at real ``z``, in the dtype of ``z``."""
        terms = self.amplitudes * torch.exp(self.rates * z.double()[..., None])  # [*z, J]
        return terms.sum(-1).real.to(z.dtype)

    def draw(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Rates and amplitudes ``a_j / p_j`` of ``count`` terms."""
        p = self.probabilities if generator is None else self.probabilities.to(generator.device)
        chosen = torch.multinomial(p, count, replacement=True, generator=generator).to("cpu")
        return self.rates[chosen], (self.amplitudes / self.probabilities)[chosen]
