"""Wendland's kernels of compact support."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import sympy
from torch import Tensor

from mercer import checks
from mercer.kernels.profile import s
from mercer.kernels.stationary import Stationary
from mercer.kernels.wendland_integral import WendlandIntegral, value_at_zero


class Wendland(Stationary):
    r"""Wendland's kernel of compact support and least degree.

    .. math::

        k(x, y) = I^k \phi_\ell(r) / I^k \phi_\ell(0), \quad r = \|x - y\| / \rho,
        \quad \ell = \lfloor D / 2 \rfloor + k + 1

    with :math:`\phi_\ell(r) = (1 - r)_+^\ell` and :math:`(I f)(r) = \int_r^\infty t f(t) dt`: a
    piecewise polynomial, zero beyond the distance :math:`\rho`, 2k times continuously
    differentiable, positive definite for points of up to D coordinates. For D = 3 orders 0, 1, 2
    are :math:`(1-r)_+^2`, :math:`(1-r)_+^4 (4r+1)` and :math:`(1-r)_+^6 (35r^2+18r+3)/3`. Its
    spectral law is not drawn from.

    Parameters
    ----------
    lengthscale : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d)
        The radius of the support, in the units of the points; positive.
    order : {0, 1, 2, 3}
        ``k``, the smoothness.
    dimension : int
        ``D``, the largest number of coordinates, at least 1.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    H. Wendland, Piecewise polynomial, positive definite and compactly supported radial functions of
    minimal degree, Advances in Computational Mathematics 4 (1995).
    https://doi.org/10.1007/BF02123482

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[0.0], [0.5], [1.0]])
    >>> Wendland(order=1)(x)[0]
    tensor([1.0000, 0.1875, 0.0000])
    """

    def __init__(
        self,
        lengthscale: float | Sequence[float] | Tensor = 1.0,
        order: int = 1,
        dimension: int = 3,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(lengthscale, active_dimensions=active_dimensions)
        self.order = checks.count("order", order, least=0)
        if order > 3:
            raise ValueError(f"order must be 0, 1, 2 or 3, got {order}")
        self.dimension = checks.count("dimension", dimension)
        self.profile = wendland_profile(order, dimension)
        self.smoothness = 2 * order + 1

    def warp(self, X: Tensor) -> Tensor:
        """Points in units of the support, if they have few enough coordinates."""
        if X.shape[-1] > self.dimension:
            raise ValueError(
                f"dimension must be at least {X.shape[-1]} for points of {X.shape[-1]} "
                f"coordinates, got {self.dimension}: the kernel would not be positive definite"
            )
        return super().warp(X)


@functools.lru_cache(maxsize=256)
def wendland_profile(k: int, dimension: int) -> sympy.Expr:
    """The profile of order ``k`` for points of up to ``dimension`` coordinates."""
    ell = dimension // 2 + k + 1
    return WendlandIntegral(ell, k, s) / value_at_zero(ell, k)
