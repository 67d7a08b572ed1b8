"""An activation by its Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mercer import checks
from mercer.features.neural.spectrum import Spectrum

PROPOSALS = ("half_normal", "uniform", "exponential", "chi_square")


class FourierTransform(Spectrum):
    r"""An activation with the Fourier transform ``F``, its frequencies drawn from a proposal.

    .. math::

        f(z) = \frac{1}{\pi} \int_0^\infty \mathrm{Re} \, F(\omega) e^{i \omega z} d\omega
        = E_{\omega \sim p} \, \mathrm{Re} \frac{F(\omega)}{\pi p(\omega)} e^{i \omega z},
        \qquad F(\omega) = \int f(z) e^{-i \omega z} dz

    Parameters
    ----------
    transform : callable
        ``F`` at positive angular frequencies, float64 to float64 or complex128.
    value : callable
        ``f`` itself.
    proposal : {"half_normal", "uniform", "exponential", "chi_square"}
        ``p`` on the half line. ``uniform`` is right where F vanishes above ``scale``;
        ``chi_square``, with one degree of freedom, where F has a pole at zero.
    scale : float
        Of the frequencies: the standard deviation of the normal, the end of the uniform, the mean
        of the others. Positive.

    Raises
    ------
    ValueError
        If the proposal is unknown or the scale is not positive.

    Examples
    --------
    >>> gaussian = FourierTransform(
    ...     lambda omega: math.sqrt(2 * math.pi) * torch.exp(-omega.square() / 2),
    ...     lambda z: torch.exp(-z.square() / 2),
    ...     "half_normal",
    ... )
    >>> rates, amplitudes = gaussian.draw(2, torch.Generator().manual_seed(0))
    >>> amplitudes
    tensor([1.0000+0.j, 1.0000+0.j], dtype=torch.complex128)
    """

    def __init__(
        self,
        transform: Callable[[Tensor], Tensor],
        value: Callable[[Tensor], Tensor],
        proposal: str,
        scale: float = 1.0,
    ) -> None:
        if proposal not in PROPOSALS:
            raise ValueError(f"proposal must be one of {', '.join(PROPOSALS)}, got {proposal!r}")
        self.transform = transform
        self.value = value
        self.proposal = proposal
        self.scale = float(checks.positive("scale", scale))

    def __call__(self, z: Tensor) -> Tensor:
        """The activation at ``z``."""
        return self.value(z)

    def draw(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Rates ``i omega`` and amplitudes ``F / (pi p)``."""
        omega, density = self._propose(count, generator)
        return 1j * omega, (self.transform(omega) / (math.pi * density)).to(torch.complex128)

    def _propose(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Frequencies and their density."""
        device = "cpu" if generator is None else generator.device
        s = self.scale
        if self.proposal in ("half_normal", "chi_square"):
            normal = torch.randn(count, generator=generator, dtype=torch.float64, device=device)
            if self.proposal == "half_normal":
                omega = s * normal.abs()
                return omega, math.sqrt(2 / math.pi) / s * torch.exp(-normal.square() / 2)
            omega = s * normal.square()
            return omega, torch.exp(-omega / (2 * s)) / torch.sqrt(2 * math.pi * s * omega)
        uniform = torch.rand(count, generator=generator, dtype=torch.float64, device=device)
        if self.proposal == "uniform":
            return s * uniform, torch.full_like(uniform, 1 / s)
        omega = -s * torch.log1p(-uniform)
        return omega, torch.exp(-omega / s) / s
