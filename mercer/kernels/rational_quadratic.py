"""The rational quadratic kernel."""

from __future__ import annotations

from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer.kernels.log1p import Log1p
from mercer.kernels.profile import p, s
from mercer.kernels.stationary import Stationary, gamma


class RationalQuadratic(Stationary):
    r"""The rational quadratic kernel.

    .. math:: k(x, y) = \left(1 + \frac{\|x - y\|^2}{2 \alpha \ell^2}\right)^{-\alpha}

    A mixture of Gaussian kernels whose inverse squared lengthscale has a gamma law of shape
    :math:`\alpha`; infinitely smooth, positive definite in every dimension, :class:`RBF` as
    :math:`\alpha \to \infty`.

    Parameters
    ----------
    lengthscale : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d)
        In the units of the points; positive.
    alpha : float or Tensor, shape (*batch)
        Positive, without unit; a parameter like the lengthscale.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 4.2.1.
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> RationalQuadratic(alpha=0.5)(x).dense()
    tensor([[1.0000, 0.7071],
            [0.7071, 1.0000]])
    """

    profile = sympy.exp(-p(0) * Log1p(s / (2 * p(0))))

    def __init__(
        self,
        lengthscale: float | Sequence[float] | Tensor = 1.0,
        alpha: float | Tensor = 1.0,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(lengthscale, active_dimensions=active_dimensions)
        self._positive("alpha", alpha)

    @property
    def alpha(self) -> Tensor:
        """The shape of the mixture."""
        return self._value("alpha")

    def profile_parameters(self) -> Sequence[Tensor]:
        """``alpha``."""
        return (self.alpha,)

    def _mixing(self, count: int, generator: torch.Generator | None) -> Tensor:
        tau = gamma(self.alpha, count, generator)
        return tau / self.alpha.detach().to(tau)[..., None]
