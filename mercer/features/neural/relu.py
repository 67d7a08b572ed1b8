"""Random ReLU features, of the ReLU variant of scalable neural network kernels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.features.base import FeatureMap, check_points
from mercer.features.neural.parameters import augmented_inputs, augmented_parameters, check_inputs


class ReLUFeatures(FeatureMap):
    r""":math:`\Phi(x) = \max(G \tilde x, 0) / \sqrt m`, and the same of parameters.

    With :math:`\tilde x = (x, 1)`, :math:`\tilde w = (w, b)`, :math:`\theta` the angle between
    them and G standard normal,

    .. math::

        E \, \Phi(x) \cdot \Phi(w, b) = \frac{\|\tilde x\| \|\tilde w\|}{2 \pi}
        (\sin \theta + (\pi - \theta) \cos \theta),

    half the arc-cosine kernel of order 1. It is *not* :math:`\max(w \cdot x + b, 0)`: it replaces
    a ReLU layer by another one of the same kind, and is trained, not converted.

    Parameters
    ----------
    d : int
        Dimension of the inputs.
    count : int
        ``m``, the number of features.
    bias : bool
        Whether inputs get a column of ones, that meets the bias of the parameters. If not, rows
        of parameters are weights alone.
    normalize : bool
        Whether inputs are divided by their norms first, as suits outputs of another layer.
    generator : torch.Generator, optional
        Source of randomness.

    References
    ----------
    A. Sehanobish et al., Scalable Neural Network Kernels. https://arxiv.org/abs/2310.13225
    Y. Cho, L. K. Saul, Kernel Methods for Deep Learning.
    https://papers.nips.cc/paper/3628-kernel-methods-for-deep-learning

    Examples
    --------
    >>> phi = ReLUFeatures(2, 5, generator=torch.Generator().manual_seed(0))
    >>> phi(torch.ones(3, 2)).shape
    torch.Size([3, 5])
    """

    G: Tensor

    def __init__(
        self,
        d: int,
        count: int,
        *,
        bias: bool = True,
        normalize: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.d = checks.count("d", d)
        self.dimension = checks.count("count", count)
        self.bias = bias
        self.normalize = normalize
        device = "cpu" if generator is None else generator.device
        shape = (count, d + 1 if bias else d)
        G = torch.randn(shape, generator=generator, dtype=torch.float64, device=device)
        self.register_buffer("G", G)  # [m, d + 1] or [m, d]

    def features(self, X: Tensor) -> Tensor:
        """Features of inputs, shape ``(*batch, n, m)``."""
        return self._project(self._inputs(X))

    def features_of_second(self, Y: Tensor) -> Tensor:
        """Features of rows ``(w, b)`` or ``w``, shape ``(*batch, m, m)``."""
        return self._project(self._rows(Y))

    def _inputs(self, X: Tensor) -> Tensor:
        X = nn.functional.normalize(check_inputs(X, self.d), dim=-1) if self.normalize else X
        return augmented_inputs(X, self.d) if self.bias else X

    def _rows(self, Y: Tensor) -> Tensor:
        return augmented_parameters(Y, self.d) if self.bias else Y

    def _project(self, V: Tensor) -> Tensor:
        if V.shape[-1] != self.G.shape[-1]:
            raise ValueError(f"points must have {self.G.shape[-1]} columns, got {V.shape[-1]}")
        return torch.relu(V @ self.G.mT.to(V.dtype)) / math.sqrt(self.dimension)

    def variance(self, X: Tensor, Y: Tensor) -> Tensor:
        r"""Variance of :math:`\Phi(x_i) \cdot \Phi(w_j, b_j)`, from the kernels of order 1 and 2.

        Parameters
        ----------
        X : Tensor, shape (n, d)
            Inputs.
        Y : Tensor, shape (m, d + 1) or (m, d)
            Parameters.

        Returns
        -------
        Tensor, shape (n, m)
        """
        U = self._inputs(check_points("X", X).double())
        V = self._rows(check_points("Y", Y).double())
        norms = U.norm(dim=-1)[:, None] * V.norm(dim=-1)  # [n, m]
        # The angle from the sine and the cosine keeps its digits where points are parallel.
        unit, other = U / U.norm(dim=-1, keepdim=True), V / V.norm(dim=-1, keepdim=True)
        apart = (unit[:, None] - other).norm(dim=-1)
        together = (unit[:, None] + other).norm(dim=-1)
        theta = torch.where(norms > 0, 2 * torch.atan2(apart, together), 0.0)
        sine, cosine, rest = torch.sin(theta), torch.cos(theta), math.pi - theta
        mean = norms / (2 * math.pi) * (sine + rest * cosine)
        square = 3 * sine * cosine + rest * (1 + 2 * cosine.square())
        return (norms.square() / (2 * math.pi) * square - mean.square()) / self.dimension
