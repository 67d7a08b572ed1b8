"""The cosine kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mercer.kernels.base import Kernel
from mercer.kernels.profile import t
from mercer.kernels.stationary import per_coordinate, place


class Cosine(Kernel):
    r"""The cosine kernel.

    .. math:: k(x, y) = \cos\Big(2 \pi \sum_e (x_e - y_e) / p_e\Big)

    The kernel of a single frequency: of rank two, and positive definite in every dimension because
    it is the real part of a plane wave. (A cosine of the Euclidean distance would not be.)

    Parameters
    ----------
    period : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d)
        In the units of the points; positive.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    A. G. Wilson, R. P. Adams, Gaussian Process Kernels for Pattern Discovery and Extrapolation.
    https://arxiv.org/abs/1302.4245

    Examples
    --------
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> Cosine(period=2.0)(x)[0]
    tensor([ 1., -1.])
    """

    score = "dot"
    profile = t
    stationary = True

    def __init__(
        self,
        period: float | Sequence[float] | Tensor = 1.0,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(active_dimensions)
        self._positive("period", period)

    @property
    def period(self) -> Tensor:
        """The period, in the units of the points."""
        return self._value("period")

    def warp(self, X: Tensor) -> Tensor:
        """The wave at each point, as ``(cos, sin)``."""
        period = per_coordinate("period", self.period, X)
        return wave((X / period).sum(-1, keepdim=True))

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        period = self.period.detach().to(place(generator), torch.float64)
        shape = torch.broadcast_shapes((count, d), period.shape)
        return (2 * math.pi / period).expand(shape).clone()


def wave(turns: Tensor) -> Tensor:
    """``[*b, n, 1] -> [*b, n, 2]``: dot products of the result are cosines of the differences."""
    angle = 2 * math.pi * turns
    return torch.cat([angle.cos(), angle.sin()], -1)
