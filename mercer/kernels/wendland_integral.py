r"""Wendland's integrals :math:`I^k \phi_\ell` as functions of profiles.

:math:`\phi_\ell(r) = (1 - r)_+^\ell` and :math:`(I f)(r) = \int_r^\infty t f(t) dt`. In the squared
distance :math:`s = r^2` the derivative of each is -1/2 times the one before, so the family is
closed under differentiation; negative ``k`` count derivatives.
"""

from __future__ import annotations

import functools

import sympy
import torch
from torch import Tensor

from mercer.engine.formula import register
from mercer.engine.program import custom


@register
class WendlandIntegral(sympy.Function):
    r""":math:`I^k \phi_\ell` at :math:`r = \sqrt s`.

    Parameters
    ----------
    ell : sympy.Integer
        The power that is integrated, at least 1.
    k : sympy.Integer
        How many times.
    s : sympy.Expr
        A squared distance.

    References
    ----------
    H. Wendland, Piecewise polynomial, positive definite and compactly supported radial functions of
    minimal degree, Advances in Computational Mathematics 4 (1995).
    https://doi.org/10.1007/BF02123482
    """

    nargs = 3

    @classmethod
    def eval(cls, ell: sympy.Expr, k: sympy.Expr, s: sympy.Expr) -> sympy.Expr | None:
        """The value at ``s = 0``."""
        if not s.is_zero:
            return None
        return value_at_zero(int(ell), int(k)) if k >= 0 else sympy.zoo

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """The derivative in ``s``."""
        if argindex != 3:
            raise sympy.ArgumentIndexError(self, argindex)
        ell, k, s = self.args
        return -WendlandIntegral(ell, k - 1, s) / 2


@custom("WendlandIntegral")
def evaluate_wendland_integral(ell: float, k: float, s: Tensor, out: Tensor) -> Tensor:
    """The integral into ``out``; not finite at ``s = 0`` where ``k < 0``."""
    a, e, coefficients = _factors(int(ell), int(k))
    r = s.clamp(min=0.0).sqrt_()
    torch.neg(r, out=out).add_(1.0).clamp_(min=0.0)  # 1 - r inside the support
    out.sign_() if a == 0 else out.pow_(a)
    horner = torch.zeros_like(r)
    for c in reversed(coefficients):
        horner.mul_(r).add_(c)
    out.mul_(horner)
    return out.mul_(r.pow_(-e)) if e else out


def value_at_zero(ell: int, k: int) -> sympy.Rational:
    """The value at ``r = 0`` for ``k >= 0``."""
    r = sympy.Symbol("r")
    return sympy.Poly(_integral(ell, k), r).coeff_monomial(1)


@functools.lru_cache(maxsize=256)
def _factors(ell: int, k: int) -> tuple[int, int, tuple[float, ...]]:
    """``(a, e, c)`` with ``I^k phi = (1 - r)^a r^-e sum_i c_i r^i`` inside the support."""
    r = sympy.Symbol("r")
    if k >= 0:
        a, e = ell + k, 0
        Q = sympy.Poly(sympy.quo(_integral(ell, k), (1 - r) ** a, r), r)
    else:
        a, e, Q = ell, 0, sympy.Poly(1, r)
        for _ in range(-k):
            a, e, Q = _derivative(a, e, Q)
    return a, e, tuple(float(c) for c in reversed(Q.all_coeffs()))


@functools.lru_cache(maxsize=256)
def _integral(ell: int, k: int) -> sympy.Expr:
    """``I^k phi`` inside the support, as a polynomial in ``r``."""
    r = sympy.Symbol("r")
    f = sympy.expand((1 - r) ** ell)
    for _ in range(k):
        whole = sympy.integrate(sympy.expand(r * f), r)
        f = sympy.expand(whole.subs(r, 1) - whole)
    return f


def _derivative(a: int, e: int, Q: sympy.Poly) -> tuple[int, int, sympy.Poly]:
    """``-f'(r) / r`` for ``f = (1 - r)^a r^-e Q(r)``."""
    r = Q.gen
    slope = e * Q - sympy.Poly(r, r) * Q.diff(r)
    if a:
        slope = a * sympy.Poly(r, r) * Q + sympy.Poly(1 - r, r) * slope
    e += 2
    while e and slope.coeff_monomial(1) == 0 and not slope.is_zero:
        slope, e = sympy.Poly(sympy.quo(slope.as_expr(), r, r), r), e - 1
    return max(a - 1, 0), e, slope
