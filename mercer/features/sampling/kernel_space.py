"""Spaces of eigenfunctions of a kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.features.sampling.kernel_basis import KernelBasis
from mercer.features.sampling.tensor_space import TensorSpace
from mercer.kernels.base import Kernel


class KernelSpace(TensorSpace):
    r"""The span of the ``m`` leading eigenfunctions of a product kernel's integral operator.

    The kernel is :math:`\prod_j k(x_j, y_j)`; its eigenfunctions are the products of those of
    ``k``, its eigenvalues the products of theirs. For kernels of other forms see
    :class:`DiscreteSpace`.

    Parameters
    ----------
    kernel : Kernel
        ``k``, of one coordinate; an ``RBF`` gives the ``RBF`` in ``d`` dimensions.
    size : int
        ``m``.
    dimension : int
        ``d``.
    measure : {"uniform", "gaussian"}
        On ``[-1, 1]^d``, or standard normal.
    panels : int
        Of the quadrature on each axis, see :class:`KernelBasis`.

    Attributes
    ----------
    eigenvalues : Tensor, shape (m,)
        Falling.

    Examples
    --------
    >>> from mercer.kernels import Matern
    >>> space = KernelSpace(Matern(nu=1.5), 4, dimension=2)
    >>> space.indices.tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """

    basis: KernelBasis

    def __init__(
        self,
        kernel: Kernel,
        size: int,
        dimension: int = 1,
        measure: str = "uniform",
        *,
        panels: int = 16,
    ) -> None:
        checks.count("dimension", dimension)
        basis = KernelBasis(kernel, size, measure, panels=panels)
        indices = torch.zeros(1, 0, dtype=torch.long)
        eigenvalues = torch.ones(1, dtype=torch.float64)
        for _ in range(dimension):  # prefixes of the m largest products are among the m largest
            products = eigenvalues[:, None] * basis.eigenvalues  # [kept, size]
            order = products.flatten().sort(descending=True, stable=True).indices[:size]
            prefixes = indices[order // size]
            indices = torch.cat([prefixes, (order % size)[:, None]], -1)
            eigenvalues = products.flatten()[order]
        super().__init__(basis, indices)
        self.eigenvalues = eigenvalues

    def rkhs_gram(self) -> Tensor:
        """Inner products of the basis in the kernel's Hilbert space: ``[m, m]``."""
        gram = self.basis.rkhs_gram
        products = torch.ones(self.dimension, self.dimension, dtype=torch.float64)
        for index in self.indices.T:
            products = products * gram[index[:, None], index]
        return products
