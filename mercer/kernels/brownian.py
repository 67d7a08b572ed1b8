"""The kernel of Brownian motion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mercer.kernels.base import Kernel
from mercer.operators import Operator, Pairwise


class Brownian(Kernel):
    r"""The covariance of Brownian motion, in several coordinates of the Brownian sheet.

    .. math:: k(x, y) = \prod_j \tfrac12 (|x_j| + |y_j| - |x_j - y_j|)

    On :math:`[0, \infty)` this is :math:`\prod_j \min(x_j, y_j)`. On [0, 1] it is the kernel of the
    Sobolev space of functions with a square-integrable derivative that vanish at 0, and its
    eigenpairs are :math:`((j - \tfrac12) \pi)^{-2}` and
    :math:`\sqrt 2 \sin((j - \tfrac12) \pi x)`. Points of coordinates with different signs have
    covariance zero.

    Parameters
    ----------
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 6.3.
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> x = torch.tensor([[0.2], [0.5]])
    >>> Brownian()(x).dense()
    tensor([[0.2000, 0.2000],
            [0.2000, 0.5000]])
    """

    smoothness = 1.0

    def __init__(self, *, active_dimensions: Sequence[int] | None = None) -> None:
        super().__init__(active_dimensions)

    def parts(self) -> None:
        """It is no function of one score."""
        return None

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """The operator for checked points."""
        x = self.active(X)
        y = x if Y is None else self.active(Y)
        return Pairwise(_covariance, x, y, dtype=x.dtype, tags={"psd"} if Y is None else ())


def _covariance(x: Tensor, y: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    least = torch.minimum(x.abs(), y.abs())  # [*s, d]
    return torch.where(x * y > 0, least, torch.zeros_like(least)).prod(dim=-1)
