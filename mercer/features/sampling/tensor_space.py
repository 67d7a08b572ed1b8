"""Spaces spanned by products of functions of one coordinate each."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.features.sampling.basis import ORDER, Basis
from mercer.features.sampling.space import Space

NODES = 1 << 14  # of a quadrature, where 16 in each direction do not make more


class TensorSpace(Space):
    r"""The span of :math:`\phi_\alpha(x) = \prod_j \phi_{\alpha_j}(x_j)` over multi-indices.

    The measure is the product of the basis's measure. The optimal measure is the mixture of the
    product densities :math:`\phi_\alpha^2`, each drawn by inversion in every coordinate.

    Parameters
    ----------
    basis : Basis
        The functions of one coordinate.
    indices : Tensor, shape (m, d)
        Distinct multi-indices below ``basis.size``.

    Examples
    --------
    >>> from mercer.features.sampling import PolynomialBasis
    >>> space = TensorSpace(PolynomialBasis(2), torch.tensor([[0, 0], [1, 1]]))
    >>> space(torch.tensor([[1.0, -1.0]]))
    tensor([[ 1.0000, -3.0000]])
    """

    basis: Basis

    def __init__(self, basis: Basis, indices: Tensor) -> None:
        super().__init__()
        if not isinstance(indices, Tensor) or indices.is_floating_point() or indices.ndim != 2:
            raise TypeError(f"indices must be integers of shape (m, d), got {indices!r}")
        if indices.numel() == 0 or int(indices.min()) < 0 or int(indices.max()) >= basis.size:
            raise ValueError(f"indices must be from 0 to {basis.size - 1}, at least one")
        if len(indices.unique(dim=0)) < len(indices):
            raise ValueError("indices must be distinct, one is given twice")
        self.basis, self.indices = basis, indices.long()
        self.dimension, self.coordinates = indices.shape

    def features(self, X: Tensor) -> Tensor:
        """The products at checked points: ``[*batch, n, d] -> [*batch, n, m]``."""
        if X.shape[-1] != self.coordinates:
            raise ValueError(f"X must have {self.coordinates} columns, got {X.shape[-1]}")
        values = self.basis.values(X)  # [*batch, n, d, K]
        product = values[..., 0, :][..., self.indices[:, 0]]
        for j in range(1, self.coordinates):
            product = product * values[..., j, :][..., self.indices[:, j]]
        return product

    def sample_measure(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Independent points from the product measure: ``[n, d]``."""
        return self.basis.measure.sample((n, self.coordinates), generator)

    def sample_optimal(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """A multi-index at random, then each coordinate by its own density: ``[n, d]``."""
        which = torch.randint(self.dimension, (n,), generator=generator)
        return self.basis.sample_squares(self.indices[which], generator)

    def quadrature(self) -> tuple[Tensor, Tensor]:
        """The product of a rule on each axis, finer the fewer axes there are."""
        x, w = self.basis.rule(max(1, int(NODES ** (1 / self.coordinates)) // ORDER))
        X = torch.cartesian_prod(*[x] * self.coordinates).view(-1, self.coordinates)
        weights = torch.cartesian_prod(*[w] * self.coordinates).view(-1, self.coordinates)
        return X, weights.prod(-1)
