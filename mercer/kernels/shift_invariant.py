"""The shift-invariant kernel of weighted spaces of periodic functions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer.kernels.weighted_product import WeightedProduct, modulo_one

# B_{2 alpha}(x) = sum_k c_k u^k with u = x (1 - x) in [0, 1/4], where no terms cancel.
BERNOULLI = {
    1: (1 / 6, -1.0),
    2: (-1 / 30, 0.0, 1.0),
    3: (1 / 42, 0.0, -1 / 2, -1.0),
    4: (-1 / 30, 0.0, 2 / 3, 4 / 3, 1.0),
}


class ShiftInvariant(WeightedProduct):
    r"""The shift-invariant kernel of smoothness :math:`\alpha` up to 4.

    .. math::

        k(x, y) = S \prod_{j=1}^d \big(1 + \gamma_j K_{\alpha_j}(\{x_j - y_j\})\big), \quad
        K_\alpha(\delta) = (-1)^{\alpha + 1} \frac{(2\pi)^{2\alpha}}{(2\alpha)!} B_{2\alpha}(\delta)
        = \sum_{h \ne 0} \frac{e^{2 \pi i h \delta}}{|h|^{2 \alpha}}

    with :math:`B` the Bernoulli polynomials and :math:`\{\cdot\}` the fractional part: the kernel
    of functions of period one in each coordinate with :math:`\alpha` square-integrable derivatives.
    On the points of a lattice its Gram matrix is circulant, see :func:`mercer.features.gram`.

    Parameters
    ----------
    dimension : int
        ``d``, how many coordinates the kernel reads; at least 1.
    alpha : {1, 2, 3, 4} or a sequence of d of them, optional
        The order of smoothness, one for all coordinates or one for each; 2 by default.
    weights : float, sequence of float or Tensor, shape (), (d,) or (*batch, d)
        The product weights :math:`\gamma`; positive.
    scale : float or Tensor, shape (*batch)
        ``S``; positive.
    combination : sequence of float or Tensor, shape (4,), (4, d) or (*batch, 4, d), optional
        Instead of ``alpha``: the univariate kernel is :math:`\sum_p c_p K_p`.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    V. Kaarnioja, F. Y. Kuo, I. H. Sloan, Lattice-based kernel approximation and serendipitous
    weights for parametric PDEs in very high dimensions. https://arxiv.org/abs/2303.17755

    A. G. Sorokin, QMCPy: A Python Software for Randomized Low-Discrepancy Sequences, Quasi-Monte
    Carlo, and Fast Kernel Methods. https://arxiv.org/abs/2502.14256

    Examples
    --------
    >>> x = torch.tensor([[0.0], [0.5], [1.0]])
    >>> ShiftInvariant(1, alpha=1, weights=0.3)(x)[0]
    tensor([1.9870, 0.5065, 1.9870])
    """

    stationary = True

    @staticmethod
    def difference(x: Tensor, y: Tensor) -> Tensor:
        """The fractional part of ``x - y``."""
        return modulo_one(x - y)

    @staticmethod
    def univariate(order: int, delta: Tensor, dtype: torch.dtype) -> Tensor:
        """The scaled Bernoulli polynomial of degree ``2 order``."""
        delta = delta.to(dtype)
        if order == 1 and delta.requires_grad:
            delta = torch.where(delta == 0, 0.0, delta)  # the kink has the mean of its slopes
        u = delta * (1 - delta)
        factor = (-1) ** (order + 1) * (2 * math.pi) ** (2 * order) / math.factorial(2 * order)
        *lower, highest = (factor * c for c in BERNOULLI[order])
        value = highest * u
        for c in reversed(lower[1:]):
            value = (value + c) * u if c else value * u
        return value + lower[0]
