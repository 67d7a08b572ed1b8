"""The Gaussian kernel."""

from __future__ import annotations

import sympy
import torch
from torch import Tensor

from mercer.kernels.profile import s
from mercer.kernels.stationary import Stationary, place


class RBF(Stationary):
    r"""The Gaussian (radial basis function, squared exponential) kernel.

    .. math:: k(x, y) = \exp(-\|x - y\|^2 / (2 \ell^2))

    Infinitely smooth; universal; positive definite in every dimension. Its spectral law is
    :math:`N(0, I / \ell^2)`.

    Parameters
    ----------
    lengthscale : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d)
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

    profile = sympy.exp(-s / 2)

    def _mixing(self, count: int, generator: torch.Generator | None) -> Tensor:
        return torch.ones(count, dtype=torch.float64, device=place(generator))
