"""The Matérn kernel of any order."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer.kernels.bessel import BesselIntegral, divisor
from mercer.kernels.profile import r, s
from mercer.kernels.stationary import Stationary, gamma

LARGEST = 200.0  # the order up to which the Bessel recurrence has been checked
CLOSED = 21 / 2  # half-integer orders up to here are polynomials times an exponential


class Matern(Stationary):
    r"""The Matérn kernel.

    .. math::

        k(x, y) = \frac{2^{1-\nu}}{\Gamma(\nu)} z^\nu K_\nu(z),
        \quad z = \sqrt{2 \nu} \, \|x - y\| / \ell

    Positive definite in every dimension; its Gaussian process is :math:`\lceil \nu \rceil - 1`
    times differentiable in mean square. The spectral law is a multivariate t with :math:`2 \nu`
    degrees of freedom. Half-integer orders up to 21/2 are closed expressions, other orders are
    Bessel integrals.

    Parameters
    ----------
    lengthscale : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d)
        In the units of the points; positive.
    nu : float
        The order, above 0 and at most 200; it is not trained. Towards infinity it is :class:`RBF`.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 4.2.1.
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> Matern(nu=1.5)(x).dense()
    tensor([[1.0000, 0.4834],
            [0.4834, 1.0000]])
    """

    def __init__(
        self,
        lengthscale: float | Sequence[float] | Tensor = 1.0,
        nu: float = 2.5,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(lengthscale, active_dimensions=active_dimensions)
        self.nu = float(nu)
        if not 0 < self.nu <= LARGEST:
            raise ValueError(f"nu must be above 0 and at most {LARGEST:g}, got {self.nu:g}")
        self.profile = matern_profile(self.nu)
        self.smoothness = 2 * self.nu

    def _mixing(self, count: int, generator: torch.Generator | None) -> Tensor:
        return self.nu / gamma(torch.tensor(self.nu), count, generator)


@functools.lru_cache(maxsize=256)
def matern_profile(nu: float) -> sympy.Expr:
    """The profile of order ``nu``, in the squared distance."""
    if nu % 1 == 0.5 and nu <= CLOSED:
        return _half_integer(int(nu))
    order = sympy.Rational(repr(nu))
    return BesselIntegral(order, 2 * order * s) * divisor(order) / sympy.gamma(order)


def _half_integer(q: int) -> sympy.Expr:
    r"""Order ``q + 1/2``: :math:`e^{-z} \sum_i \frac{q! (q+i)!}{(2q)! i! (q-i)!} (2z)^{q-i}`."""
    f = math.factorial
    z = sympy.sqrt(2 * q + 1) * r
    terms = [
        sympy.Rational(f(q) * f(q + i), f(2 * q) * f(i) * f(q - i)) * (2 * z) ** (q - i)
        for i in range(q + 1)
    ]
    return sympy.Add(*terms) * sympy.exp(-z)
