"""The probability measures on the line that spaces are orthonormal for."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MEASURES = ("uniform", "gaussian")


class Measure:
    """The uniform law on ``[-1, 1]`` or the standard normal law.

    Parameters
    ----------
    name : {"uniform", "gaussian"}
        Which.

    Examples
    --------
    >>> Measure("uniform").density(torch.tensor([0.0, 2.0]))
    tensor([0.5000, 0.0000])
    """

    def __init__(self, name: str) -> None:
        if name not in MEASURES:
            raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {name!r}")
        self.name = name

    def density(self, x: Tensor) -> Tensor:
        """With respect to Lebesgue measure, in the shape of ``x``."""
        if self.name == "uniform":
            return 0.5 * (x.abs() <= 1)
        return torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)

    def sample(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        """Independent draws in float64."""
        if self.name == "uniform":
            return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def edges(self, panels: int, reach: float) -> Tensor:
        """Ends of ``panels`` intervals: ``[panels + 1]``.

        They are ``[-1, 1]``, finer at the ends as oscillations of polynomials are, or
        ``[-reach, reach]``.
        """
        if self.name == "uniform":
            return -torch.cos(torch.linspace(0, math.pi, panels + 1, dtype=torch.float64))
        return torch.linspace(-reach, reach, panels + 1, dtype=torch.float64)
