"""The inverse multiquadric kernel."""

from __future__ import annotations

import sympy
import torch
from torch import Tensor

from mercer.kernels.profile import s
from mercer.kernels.stationary import Stationary, gamma


class InverseMultiquadric(Stationary):
    r"""The inverse multiquadric kernel.

    .. math:: k(x, y) = (1 + \|x - y\|^2 / \ell^2)^{-1/2}

    Infinitely smooth, positive definite in every dimension, with heavy tails. Other exponents are
    :class:`RationalQuadratic`.

    Parameters
    ----------
    lengthscale : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d)
        In the units of the points; positive.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    H. Wendland, Scattered Data Approximation, theorem 7.15.
    https://doi.org/10.1017/CBO9780511617539

    Examples
    --------
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> InverseMultiquadric()(x).dense()
    tensor([[1.0000, 0.7071],
            [0.7071, 1.0000]])
    """

    profile = 1 / sympy.sqrt(1 + s)

    def _mixing(self, count: int, generator: torch.Generator | None) -> Tensor:
        return 2 * gamma(torch.tensor(0.5), count, generator)
