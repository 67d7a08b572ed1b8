"""Leading eigenfunctions of a kernel on the line."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer import checks
from mercer.features.sampling.basis import Basis
from mercer.kernels.base import Kernel

FLOOR = 1e-12  # smallest eigenvalue over the largest: below, eigenfunctions are rounding


class KernelBasis(Basis):
    r"""Eigenfunctions of :math:`(Kf)(x) = \int k(x, y) f(y)\, \mu(dy)` by Nyström's method.

    With nodes :math:`z_q` and weights :math:`\omega_q` of a quadrature for :math:`\mu`, the
    eigenvectors ``u`` of :math:`\omega^{1/2} k(z, z) \omega^{1/2}` give

    .. math:: \phi_j(x) = \lambda_j^{-1} \sum_q k(x, z_q)\, \omega_q^{1/2} u_{qj},

    made orthonormal by a quadrature four times as fine. They are in the kernel's Hilbert space.

    Parameters
    ----------
    kernel : Kernel
        Of points with one coordinate.
    size : int
        How many eigenfunctions.
    measure : {"uniform", "gaussian"}
        On ``[-1, 1]``, or standard normal.
    panels : int
        The quadrature has 16 nodes on each of as many intervals.

    Raises
    ------
    ValueError
        If fewer eigenvalues are above rounding.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 4.3.2.
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> basis = KernelBasis(RBF(1.0), 3, "gaussian")
    >>> round(float(basis.eigenvalues[0]), 4)  # 2 / (1 + sqrt(5))
    0.618
    """

    def __init__(
        self, kernel: Kernel, size: int, measure: str = "uniform", *, panels: int = 16
    ) -> None:
        super().__init__(size, measure)
        checks.count("panels", panels)
        if size > 16 * panels:
            raise ValueError(f"size must be at most 16 panels = {16 * panels}, got {size}")
        self.kernel = kernel
        # phi^2 <= k(x, x) / lambda, so that the tails of mu hide what is out of reach.
        self.reach = math.sqrt(-2 * math.log(FLOOR * 1e-17))
        z, weights = self.rule(panels)
        root = weights.sqrt()
        K = kernel(z[:, None], z[:, None]).dense().detach()  # [Q, Q]
        values, vectors = torch.linalg.eigh(root[:, None] * K * root)
        values, vectors = values[-size:].flip(0), vectors[:, -size:].flip(1)
        if not bool(values[-1] > FLOOR * values[0]):
            usable = int((values > FLOOR * values[0]).sum())
            raise ValueError(
                f"size must be at most {usable} for this kernel, whose further eigenvalues are "
                f"below rounding, got {size}"
            )
        self.eigenvalues = values
        self.nodes, self.expansion = z, root[:, None] * vectors / values  # [Q], [Q, size]
        x, fine = self.rule(4 * panels)
        phi = self.values(x)
        factor = torch.linalg.cholesky(phi.mT @ (fine[:, None] * phi))
        self.expansion = torch.linalg.solve_triangular(factor, self.expansion.mT, upper=False).mT
        #: Inner products of the functions in the kernel's Hilbert space, [size, size].
        self.rkhs_gram = self.expansion.mT @ K @ self.expansion

    def values(self, x: Tensor) -> Tensor:
        """The eigenfunctions at points of any shape: ``[...] -> [..., size]``."""
        z, expansion = self.nodes.to(x), self.expansion.to(x)
        return (self.kernel(x.reshape(-1, 1), z[:, None]) @ expansion).view(*x.shape, self.size)
