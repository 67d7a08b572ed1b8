"""The linear kernel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mercer.kernels.base import Kernel
from mercer.kernels.profile import t
from mercer.kernels.stationary import per_coordinate


class Linear(Kernel):
    r"""The linear kernel.

    .. math:: k(x, y) = \sum_e (c_e x_e) (c_e y_e)

    The covariance of a linear function with independent coefficients of standard deviation
    :math:`c_e`; of rank d. Add a :class:`Constant` for an intercept.

    Parameters
    ----------
    scale : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d), optional
        In inverse units of the points; positive. By default there is none, and the kernel is the
        dot product, without a parameter.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 4.2.2.
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> import torch
    >>> Linear()(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).dense()
    tensor([[ 5., 11.],
            [11., 25.]])
    """

    score = "dot"
    profile = t

    def __init__(
        self,
        scale: float | Sequence[float] | Tensor | None = None,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(active_dimensions)
        self.plain = scale is None
        if scale is not None:
            self._positive("scale", scale)

    @property
    def scale(self) -> Tensor | None:
        """The standard deviation of each coefficient, or ``None`` for the dot product."""
        return None if self.plain else self._value("scale")

    def warp(self, X: Tensor) -> Tensor:
        """Points times the scale."""
        return X if self.scale is None else X * per_coordinate("scale", self.scale, X)
