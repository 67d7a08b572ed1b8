"""An activation as a mean of exponentials."""

from __future__ import annotations

import torch
from torch import Tensor


class Spectrum:
    r"""A law of rates :math:`\zeta` and amplitudes ``a`` whose mean exponential is an activation.

    .. math:: f(z) = E_\zeta \, \mathrm{Re} \, a(\zeta) \, e^{\zeta z}

    Imaginary rates are frequencies, as in a Fourier transform or series; a real rate is the
    exponential function.
    """

    def __call__(self, z: Tensor) -> Tensor:
        """The activation ``f(z)``, entry by entry."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def draw(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Independent rates and their amplitudes, both complex128, shape ``(count,)``."""
        raise NotImplementedError(f"{type(self).__name__} must define draw")
