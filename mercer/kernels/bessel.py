r"""The Bessel integral :math:`\int_0^\infty t^{\nu-1} e^{-t - u/(4t)} dt`, a function of profiles.

It is :math:`2 (\sqrt u / 2)^\nu K_\nu(\sqrt u)`, and its derivative in ``u`` is the same integral
of order ``nu - 1``, times -1/4.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import sympy
import torch
from numpy.polynomial.chebyshev import chebfit
from torch import Tensor

from mercer.engine.formula import register
from mercer.engine.program import custom

CHUNK = {"cpu": 2**15}  # entries at a time: all temporaries stay in the cache
TERMS = 15  # of the power series below z = 2
DEGREE = 30  # of the Chebyshev series above z = 2
STEP, NODES = 0.3, 21  # of the trapezoid rule that gives its coefficients


@register
class BesselIntegral(sympy.Function):
    r"""``G(nu, u)``: the integral divided by :math:`\Gamma(\nu)` where ``nu > 1``.

    The division keeps large orders finite: ``G(nu, 0)`` is then 1.

    Parameters
    ----------
    nu : sympy.Rational
        The order; from derivatives it may be zero or negative, and then ``G(nu, 0)`` is infinite.
    u : sympy.Expr
        Nonnegative.

    References
    ----------
    NIST Digital Library of Mathematical Functions, 10.32.10. https://dlmf.nist.gov/10.32#E10
    """

    nargs = 2

    @classmethod
    def eval(cls, nu: sympy.Expr, u: sympy.Expr) -> sympy.Expr | None:
        """The value at ``u = 0``."""
        if not u.is_zero:
            return None
        return sympy.gamma(nu) / divisor(nu) if nu > 0 else sympy.zoo

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """The derivative in ``u``."""
        if argindex != 2:
            raise sympy.ArgumentIndexError(self, argindex)
        nu, u = self.args
        ratio = 1 / (nu - 1) if nu > 2 else divisor(nu - 1) / divisor(nu)
        return -ratio / 4 * BesselIntegral(nu - 1, u)


def divisor(nu: sympy.Expr) -> sympy.Expr:
    """What the integral of this order is divided by."""
    return sympy.gamma(nu) if nu > 1 else sympy.Integer(1)


@custom("BesselIntegral")
def evaluate_bessel_integral(nu: float, u: Tensor, out: Tensor) -> Tensor:
    """``G(nu, u)`` into ``out``; computed in float64 where the device has it."""
    dtype = out.dtype if out.device.type == "mps" else torch.float64
    flat = out if out.is_contiguous() else out.new_empty(out.shape)
    target = flat.view(-1)
    source = u.expand(out.shape).reshape(-1)
    chunk = CHUNK.get(out.device.type, 2**22)
    for k in range(0, source.numel(), chunk):
        target[k : k + chunk] = bessel_integral(nu, source[k : k + chunk].to(dtype))
    return out if flat is out else out.copy_(flat)


def bessel_integral(nu: float, u: Tensor) -> Tensor:
    """``G(nu, u)`` in the dtype of ``u``.

    The orders ``mu`` and ``mu + 1`` with ``|mu| <= 1/2`` come from Temme's series or, above
    ``sqrt(u) = 2``, from a Chebyshev series; the recurrence that leads up to ``nu`` adds positive
    terms only. Negative orders follow from ``K_{-nu} = K_nu``.

    References
    ----------
    N. M. Temme, On the numerical evaluation of the modified Bessel function of the third kind,
    Journal of Computational Physics 19 (1975). https://doi.org/10.1016/0021-9991(75)90082-0
    """
    u = u.clamp(min=torch.finfo(u.dtype).tiny)
    order = abs(nu)
    steps = math.floor(order + 0.5)
    mu = order - steps  # in [-1/2, 1/2)
    z = u.sqrt()
    lower, upper = _series(mu, z.clamp(max=2.0))
    far_lower, far_upper = _chebyshev(mu, z.clamp(min=2.0))
    near = z <= 2.0
    half = (z / 2).pow(mu)
    lower = torch.where(near, lower, far_lower) * half  # 2 (z/2)^mu K_mu
    upper = torch.where(near, upper, far_upper) * (half * z / 2)  # 2 (z/2)^(mu+1) K_(mu+1)
    result = _climb(mu, steps, lower, upper, u / 4)
    if nu > 1:
        return result / math.gamma(mu + 1)
    if steps:
        result = result * (math.gamma(order) / math.gamma(mu + 1))
    return result if nu > 0 else result * (u / 4).pow(-order)


def _climb(mu: float, steps: int, lower: Tensor, upper: Tensor, quarter: Tensor) -> Tensor:
    """``a_{k+1} = a_k + (u/4) a_{k-1} / (o_k o_{k-1})`` for the orders ``o_k = mu + k``.

    ``a_k`` is the integral of order ``o_k`` divided by ``gamma(o_k) / gamma(mu + 1)`` for k > 0.
    """
    if steps == 0:
        return lower
    previous = 1.0
    for k in range(1, steps):
        o = mu + k
        lower, upper = upper, upper + quarter * lower / (o * previous)
        previous = o
    return upper


def _series(mu: float, z: Tensor) -> tuple[Tensor, Tensor]:
    """``2 K_mu(z)`` and ``2 K_{mu+1}(z)`` for ``z <= 2``."""
    log = -(z / 2).log()  # log(2 / z)
    sigma = mu * log
    small = sigma.abs() < 1e-4
    safe = torch.where(small, 1.0, sigma)
    shc = torch.where(small, 1 + sigma.square() / 6, safe.sinh() / safe)
    first, second = _gammas(mu)
    sine = mu * math.pi / math.sin(mu * math.pi) if mu else 1.0
    f = sine * (sigma.cosh() * first + shc * log * second)
    power = (-sigma).exp()  # (z/2)^mu
    p = 0.5 * math.gamma(1 + mu) / power
    q = 0.5 * math.gamma(1 - mu) * power
    quarter = z.square() / 4
    c = torch.ones_like(z)
    K, L = f.clone(), p.clone()
    for k in range(1, TERMS):
        f.mul_(k).add_(p).add_(q).div_(k * k - mu * mu)
        p.div_(k - mu)
        q.div_(k + mu)
        c.mul_(quarter).div_(k)
        K.addcmul_(c, f)
        L.addcmul_(c, p).addcmul_(c, f, value=-k)
    return 2 * K, 4 * L / z


@functools.lru_cache(maxsize=256)
def _gammas(mu: float) -> tuple[float, float]:
    """``(1/Γ(1-mu) - 1/Γ(1+mu)) / (2 mu)`` and ``(1/Γ(1-mu) + 1/Γ(1+mu)) / 2``."""
    a, b = (1 / sympy.gamma(1 + sympy.Float(x, 40)) for x in (-mu, mu))
    first = (a - b) / (2 * sympy.Float(mu, 40)) if mu else -sympy.EulerGamma
    return float(first), float((a + b) / 2)


def _chebyshev(mu: float, z: Tensor) -> tuple[Tensor, Tensor]:
    """``2 K_mu(z)`` and ``2 K_{mu+1}(z)`` for ``z >= 2``, as Chebyshev series in ``4/z - 1``."""
    x = 4 / z - 1
    scale = (-z).exp() * z.rsqrt()
    first, second = (_clenshaw(c, x).mul_(scale) for c in _coefficients(mu))
    return first, second


def _clenshaw(coefficients: Sequence[float], x: Tensor) -> Tensor:
    """``sum_k c_k T_k(x)``."""
    b, before = torch.zeros_like(x), torch.zeros_like(x)
    for c in reversed(coefficients[1:]):
        before.neg_().addcmul_(x, b, value=2.0).add_(c)
        b, before = before, b
    return before.neg_().addcmul_(x, b).add_(coefficients[0])


@functools.lru_cache(maxsize=256)
def _coefficients(mu: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Chebyshev coefficients in ``4/z - 1`` of what :func:`_trapezoid` gives."""
    count = DEGREE + 1
    x = np.cos(np.pi * (np.arange(count) + 0.5) / count)  # Chebyshev points
    values = _trapezoid(mu, torch.from_numpy(4 / (x + 1)))
    first, second = (chebfit(x, v.numpy(), DEGREE).tolist() for v in values)
    return tuple(first), tuple(second)


def _trapezoid(mu: float, z: Tensor) -> tuple[Tensor, Tensor]:
    r"""``2 sqrt(z) e^z K_mu(z)`` and the same of ``mu + 1`` for ``z >= 2``.

    :math:`2 K_\mu(z) = \int e^{-z \cosh v} \cosh(\mu v) dv` over the line. With
    :math:`\sinh(v / 2) = \tau / \sqrt{2 z}` the first factor is :math:`e^{-z - \tau^2}`, so the
    rule converges geometrically, for all z alike.
    """
    tau = STEP * torch.arange(-NODES, NODES + 1, dtype=z.dtype, device=z.device)  # [2 NODES + 1]
    x = tau / (2 * z)[:, None].sqrt()  # sinh(v / 2)
    v = 2 * x.asinh()
    weight = STEP * math.sqrt(2) * (-tau.square()).exp() / (1 + x.square()).sqrt()
    return (weight * (mu * v).cosh()).sum(-1), (weight * ((mu + 1) * v).cosh()).sum(-1)
