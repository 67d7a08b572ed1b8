"""The constant kernel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mercer.kernels.base import Kernel
from mercer.kernels.profile import p
from mercer.kernels.stationary import place


class Constant(Kernel):
    r"""The constant kernel.

    .. math:: k(x, y) = c

    The covariance of an unknown intercept of variance c; of rank one. ``2.0 + kernel`` makes one.

    Parameters
    ----------
    variance : float or Tensor, shape (*batch)
        ``c``, positive, in squared units of the target.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 4.2.
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> Constant(2.0)(torch.zeros(1, 3), torch.ones(2, 3)).dense()
    tensor([[2., 2.]])
    """

    score = "dot"
    profile = p(0)
    stationary = True

    def __init__(self, variance: float | Tensor = 1.0) -> None:
        super().__init__()
        self._positive("variance", variance)

    @property
    def variance(self) -> Tensor:
        """The value of the kernel."""
        return self._value("variance")

    def profile_parameters(self) -> Sequence[Tensor]:
        """``variance``."""
        return (self.variance,)

    def warp(self, X: Tensor) -> Tensor:
        """No coordinate at all: the kernel reads none."""
        return X[..., :0]

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        return torch.zeros(count, d, dtype=torch.float64, device=place(generator))
