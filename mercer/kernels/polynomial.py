"""The polynomial kernel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mercer import checks
from mercer.kernels.base import Kernel
from mercer.kernels.profile import p, t


class Polynomial(Kernel):
    r"""The polynomial kernel.

    .. math:: k(x, y) = (\gamma \, x \cdot y + c)^q

    Its features are the monomials of degree up to q (exactly q where :math:`c = 0`); positive
    definite because :math:`\gamma > 0` and :math:`c \ge 0`.

    Parameters
    ----------
    degree : int
        ``q``, at least 1.
    scale : float or Tensor, shape (*batch)
        :math:`\gamma`, in inverse squared units of the points; positive.
    offset : float or Tensor, shape (*batch)
        ``c``, without unit; zero (a constant, never trained) or positive.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 4.2.2.
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> import torch
    >>> Polynomial(degree=2)(torch.tensor([[1.0], [2.0]])).dense()
    tensor([[ 4.,  9.],
            [ 9., 25.]])
    """

    score = "dot"

    def __init__(
        self,
        degree: int = 3,
        scale: float | Tensor = 1.0,
        offset: float | Tensor = 1.0,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(active_dimensions)
        self.degree = checks.count("degree", degree)
        self._positive("scale", scale)
        self.homogeneous = not isinstance(offset, Tensor) and offset == 0
        if not self.homogeneous:
            self._positive("offset", offset)
        self.profile = (p(0) * t if self.homogeneous else p(0) * t + p(1)) ** self.degree

    @property
    def scale(self) -> Tensor:
        """The factor of the dot product."""
        return self._value("scale")

    @property
    def offset(self) -> Tensor | float:
        """What is added to the dot product."""
        return 0.0 if self.homogeneous else self._value("offset")

    def profile_parameters(self) -> Sequence[Tensor]:
        """``scale`` and, unless it is zero, ``offset``."""
        return (self.scale,) if self.homogeneous else (self.scale, self._value("offset"))
