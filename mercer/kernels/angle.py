r"""Functions of the angle between two unit vectors, in their squared distance ``q``.

:math:`\cos \theta = 1 - q/2`. The squared distance tells small angles apart, which a dot product
does not.
"""

from __future__ import annotations

import math

import sympy
import torch
from torch import Tensor

from mercer.engine.formula import register
from mercer.engine.program import custom


@register
class ArcCosineAngle(sympy.Function):
    r""":math:`J_n(\theta)` of the arc-cosine kernels.

    :math:`J_0 = \pi - \theta`, :math:`J_1 = \sin\theta + (\pi - \theta) \cos\theta`,
    :math:`J_2 = 3 \sin\theta \cos\theta + (\pi - \theta)(1 + 2 \cos^2\theta)`.

    Parameters
    ----------
    n : sympy.Integer
        0, 1 or 2.
    q : sympy.Expr
        The squared distance of two unit vectors.

    References
    ----------
    Y. Cho, L. K. Saul, Kernel Methods for Deep Learning, section 2.
    https://papers.nips.cc/paper/3628-kernel-methods-for-deep-learning
    """

    nargs = 2

    @classmethod
    def eval(cls, n: sympy.Expr, q: sympy.Expr) -> sympy.Expr | None:
        """The value at ``q = 0``."""
        return (3 if n == 2 else 1) * sympy.pi if q.is_zero else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """The derivative in ``q``."""
        if argindex != 2:
            raise sympy.ArgumentIndexError(self, argindex)
        n, q = self.args
        if n == 0:
            return -InverseSine(1, q) / 2
        return (-ArcCosineAngle(0, q) / 2) if n == 1 else (-2 * ArcCosineAngle(1, q))


@register
class InverseSine(sympy.Function):
    r""":math:`\sin(\theta)^{-k}`, zero where the vectors are opposite.

    Parameters
    ----------
    k : sympy.Integer
        At least 1.
    q : sympy.Expr
        The squared distance of two unit vectors.
    """

    nargs = 2

    @classmethod
    def eval(cls, k: sympy.Expr, q: sympy.Expr) -> sympy.Expr | None:
        """It has no value at ``q = 0``."""
        return sympy.zoo if q.is_zero else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """The derivative in ``q``, from ``sin^2 = q - q^2 / 4``."""
        if argindex != 2:
            raise sympy.ArgumentIndexError(self, argindex)
        k, q = self.args
        return -k * (1 - q / 2) * InverseSine(k + 2, q) / 2


@custom("ArcCosineAngle")
def evaluate_arc_cosine_angle(n: float, q: Tensor, out: Tensor) -> Tensor:
    """``J_n`` into ``out``."""
    q = q.clamp(0.0, 4.0)
    torch.sqrt(q, out=out).div_(2).clamp_(max=1.0).asin_().mul_(-2).add_(math.pi)  # pi - theta
    if n == 0:
        return out
    cosine = 1 - q / 2
    sine = (q * (1 - q / 4)).clamp_(min=0.0).sqrt_()
    if n == 1:
        return out.mul_(cosine).add_(sine)
    return out.mul_(1 + 2 * cosine.square()).addcmul_(sine, cosine, value=3)


@custom("InverseSine")
def evaluate_inverse_sine(k: float, q: Tensor, out: Tensor) -> Tensor:
    """``sin^-k`` into ``out``, zero where the sine is zero."""
    square = q * (1 - q / 4)
    torch.pow(square, -k / 2, out=out)
    return out.masked_fill_(square <= 4 * torch.finfo(q.dtype).eps, 0.0)
