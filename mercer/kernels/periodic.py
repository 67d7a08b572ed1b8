"""The periodic kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer.kernels.profile import s
from mercer.kernels.stationary import Stationary, per_coordinate, place


class Periodic(Stationary):
    r"""The periodic kernel.

    .. math:: k(x, y) = \exp\Big(-2 \sum_e \sin^2(\pi (x_e - y_e) / p_e) / \ell_e^2\Big)

    Each coordinate is wrapped around a circle, and the Gaussian kernel is taken there: infinitely
    smooth and positive definite in every dimension. (A sine of the Euclidean distance would not be
    positive definite beyond one coordinate.) The spectral law lives on the multiples of
    :math:`2 \pi / p`, where it is a difference of two Poisson counts.

    Parameters
    ----------
    lengthscale : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d)
        In radii of the circle, without unit; positive.
    period : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d)
        In the units of the points; positive.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    D. J. C. MacKay, Introduction to Gaussian Processes, section 5.2.
    https://www.inference.org.uk/mackay/abstracts/gpB.html

    Examples
    --------
    >>> x = torch.tensor([[0.0], [0.5], [1.0]])
    >>> Periodic(period=1.0)(x)[0]
    tensor([1.0000, 0.1353, 1.0000])
    """

    profile = sympy.exp(-s / 2)

    def __init__(
        self,
        lengthscale: float | Sequence[float] | Tensor = 1.0,
        period: float | Sequence[float] | Tensor = 1.0,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(lengthscale, active_dimensions=active_dimensions)
        self._positive("period", period)

    @property
    def period(self) -> Tensor:
        """The period, in the units of the points."""
        return self._value("period")

    def warp(self, X: Tensor) -> Tensor:
        """Points on circles: ``s`` is ``4 sin^2(pi (x - y) / period) / lengthscale^2``."""
        lengthscale = per_coordinate("lengthscale", self.lengthscale, X)
        angle = 2 * math.pi * X / per_coordinate("period", self.period, X)
        return torch.cat([angle.cos() / lengthscale, angle.sin() / lengthscale], -1)  # [*b, n, 2 d]

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        # E cos(K phi) = exp(-2 sin^2(phi / 2) / lengthscale^2) for K a difference of two counts
        lengthscale, period = self.lengthscale.detach(), self.period.detach()
        shape = torch.broadcast_shapes((count, d), lengthscale.shape, period.shape)
        rate = (0.5 / lengthscale.square()).to(place(generator), torch.float64).expand(shape)
        rate = rate.contiguous()
        order = torch.poisson(rate, generator) - torch.poisson(rate, generator)
        return 2 * math.pi * order / period
