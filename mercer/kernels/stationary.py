"""Kernels of the distance between points, with a lengthscale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mercer.kernels.base import Kernel


class Stationary(Kernel):
    """``k(x, y) = f(s)``, ``s`` the squared distance of points divided by the lengthscale.

    A card of a kernel that is a Gaussian scale mixture, ``f(s) = E exp(-tau s / 2)``, says how
    ``tau`` is drawn by overriding ``_mixing``; the spectral law follows.

    Parameters
    ----------
    lengthscale : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d)
        In the units of the points; positive. One per coordinate if it has d entries.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.
    """

    stationary = True

    def __init__(
        self,
        lengthscale: float | Sequence[float] | Tensor = 1.0,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(active_dimensions)
        self._positive("lengthscale", lengthscale)

    @property
    def lengthscale(self) -> Tensor:
        """The lengthscale, in the units of the points."""
        return self._value("lengthscale")

    def warp(self, X: Tensor) -> Tensor:
        """Points in units of the lengthscale."""
        return X / per_coordinate("lengthscale", self.lengthscale, X)

    def _mixing(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Draws of ``tau``, shape ``(*batch, count)``, in float64."""
        raise NotImplementedError(f"{type(self).__name__} has no spectral law to draw from")

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        tau = self._mixing(count, generator)  # [*batch, count]
        return tau[..., None].sqrt() * normal(count, d, generator) / self.lengthscale.detach()


def per_coordinate(name: str, value: Tensor, X: Tensor) -> Tensor:
    """A parameter with one entry, or one for each coordinate of the points, in their dtype."""
    value = value.to(X)
    if value.ndim and value.shape[-1] not in (1, X.shape[-1]):
        raise ValueError(
            f"{name} has {value.shape[-1]} entries but the kernel reads {X.shape[-1]} coordinates"
        )
    return value


def normal(count: int, d: int, generator: torch.Generator | None) -> Tensor:
    """Standard normal draws, ``[count, d]`` in float64, where the generator lives."""
    return torch.randn(count, d, generator=generator, dtype=torch.float64, device=place(generator))


def gamma(shape: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """Draws of the gamma law of unit rate, ``[*shape.shape, count]`` in float64."""
    shape = shape.detach().to(place(generator), torch.float64)
    return torch._standard_gamma(
        shape[..., None].expand(*shape.shape, count).contiguous(), generator=generator
    )


def place(generator: torch.Generator | None) -> torch.device:
    """Where draws from the generator live."""
    return torch.device("cpu") if generator is None else generator.device
