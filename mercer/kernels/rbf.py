"""The Gaussian kernel."""

from __future__ import annotations

from typing import ClassVar

import sympy
import torch
from torch import Tensor

from mercer.kernels.profile import s
from mercer.kernels.stationary import Stationary


class RBF(Stationary):
    r"""The Gaussian (radial basis function, squared exponential) kernel.

    .. math:: k(x, y) = \exp(-\|x - y\|^2 / (2 \ell^2))

    Infinitely smooth; universal; positive definite in every dimension.

    Parameters
    ----------
    lengthscale : float or Tensor, shape (), (d,) or (*batch, 1, d)
        In the units of the points; positive.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 4.2.1.
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> RBF(lengthscale=1.0)(x).dense()
    tensor([[1.0000, 0.6065],
            [0.6065, 1.0000]])
    """

    profile: ClassVar[sympy.Expr] = sympy.exp(-s / 2)

    def frequencies(self, count: int, d: int, generator: torch.Generator | None = None) -> Tensor:
        r"""Draws of the spectral law: :math:`\omega \sim N(0, I / \ell^2)`, shape ``(count, d)``."""
        z = torch.randn(count, d, generator=generator, dtype=torch.float64)
        return z / self.lengthscale
