"""The white kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.kernels.base import Kernel
from mercer.kernels.profile import Profile
from mercer.operators import Identity, Operator, Zero


class White(Kernel):
    r"""The kernel of independent noise.

    .. math:: k(x_i, x_j) = \sigma^2 \delta_{ij}

    The delta is of the index, not of the value: two measurements at one place have noises of their
    own. Within one set of points it is a multiple of the identity; between two sets it is zero.

    Parameters
    ----------
    variance : float or Tensor, shape (*batch)
        :math:`\sigma^2`, positive, in squared units of the target.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 2.2.
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> x = torch.zeros(2, 1)
    >>> White(0.5)(x).dense()
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    >>> White(0.5)(x, torch.zeros(1, 1)).dense()
    tensor([[0.],
            [0.]])
    """

    by_index = True

    def __init__(self, variance: float | Tensor = 1.0) -> None:
        super().__init__()
        self._positive("variance", variance)

    @property
    def variance(self) -> Tensor:
        """The variance of the noise."""
        return self._value("variance")

    def parts(self) -> Profile | None:
        """``None``: it is no function of scores."""
        return None

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """A multiple of the identity, or zero between two sets."""
        variance = self.variance.to(X)
        if Y is None:
            batch = torch.broadcast_shapes(X.shape[:-2], variance.shape)
            return Identity(X.shape[-2], X.dtype, X.device) * variance.expand(batch)
        batch = torch.broadcast_shapes(X.shape[:-2], Y.shape[:-2], variance.shape)
        return Zero(X.shape[-2], Y.shape[-2], batch=batch, dtype=X.dtype, device=X.device)
