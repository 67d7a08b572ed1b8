"""The arc-cosine kernels."""

from __future__ import annotations

from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer.engine.formula import score_symbol
from mercer.kernels.angle import ArcCosineAngle
from mercer.kernels.base import Kernel
from mercer.kernels.profile import Profile, formula, s

N = score_symbol(1, "dot")
PROFILES = {
    0: sympy.Rational(1, 2) + N * (ArcCosineAngle(0, s) / sympy.pi - sympy.Rational(1, 2)),
    1: N * ArcCosineAngle(1, s) / sympy.pi,
    2: N * ArcCosineAngle(2, s) / sympy.pi,
}


class ArcCosine(Kernel):
    r"""The arc-cosine kernel of order 0, 1 or 2.

    .. math::

        k_n(x, y) = 2 \, E_{w \sim N(0, I)} \,
        \Theta(w \cdot x) \Theta(w \cdot y) (w \cdot x)^n (w \cdot y)^n
        = \frac{1}{\pi} \|x\|^n \|y\|^n J_n(\theta)

    with :math:`\theta` the angle between x and y and :math:`\Theta` the Heaviside step, 1/2 at
    zero: the kernel of an infinitely wide layer of step, ReLU or squared-ReLU units. Homogeneous of
    degree n in each argument; positive definite in every dimension.

    Derivatives: order 0 has none where x and y are parallel, and they count as zero there. Order 1
    is twice and order 2 four times continuously differentiable at parallel points. At the origin
    the gradient of order 1 does not exist and counts as zero; that of order 2 is zero, but has no
    derivative. In float32, entries of order 0 are right to about 1e-6, but only to 1e-4 where x and
    y are opposite.

    Parameters
    ----------
    order : {0, 1, 2}
        ``n``.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    Y. Cho, L. K. Saul, Kernel Methods for Deep Learning, section 2.
    https://papers.nips.cc/paper/3628-kernel-methods-for-deep-learning

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    >>> ArcCosine(order=1)(x).dense()
    tensor([[1.0000, 0.6366],
            [0.6366, 4.0000]])
    """

    def __init__(self, order: int = 1, *, active_dimensions: Sequence[int] | None = None) -> None:
        super().__init__(active_dimensions)
        if isinstance(order, bool) or order not in PROFILES:
            raise ValueError(f"order must be 0, 1 or 2, got {order!r}")
        self.order = order
        self.smoothness = 2 * order + 1

    def parts(self) -> Profile:
        """Two scores: the squared distance of the directions, and the product of the norms."""
        f = formula(PROFILES[self.order], ("squared_distance", "dot"), 0)
        return Profile(f, (self._direction, self._norm), ())

    def _direction(self, X: Tensor) -> Tensor:
        """``x / |x|``, and zero for the origin."""
        X = self.active(X)
        square = X.square().sum(-1, keepdim=True)
        return X / torch.where(square == 0, 1.0, square).sqrt()

    def _norm(self, X: Tensor) -> Tensor:
        """``|x|^n`` as one column, zero for the origin whatever n."""
        square = self.active(X).square().sum(-1, keepdim=True)
        origin = square == 0
        if self.order == 0:
            return (~origin).to(X)
        if self.order == 2:
            return square
        return torch.where(origin, 0.0, torch.where(origin, 1.0, square).sqrt())
