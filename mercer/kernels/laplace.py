"""The Laplace kernel, in the Euclidean or the L1 distance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from mercer.kernels.profile import l1, r
from mercer.kernels.stationary import Stationary, gamma, place

PROFILES = {"l2": ("squared_distance", sympy.exp(-r)), "l1": ("l1_distance", sympy.exp(-l1))}


class Laplace(Stationary):
    r"""The Laplace (exponential) kernel.

    .. math:: k(x, y) = \exp(-\|x - y\|_q / \ell), \quad q \in \{1, 2\}

    Positive definite in every dimension; not differentiable where :math:`x = y` (with the L1 norm,
    where any coordinate agrees), and derivatives there count as zero. With the L2 norm it is the
    Matérn kernel of order 1/2, and its spectral law a multivariate Cauchy; with the L1 norm it is a
    product over coordinates, and the spectral law a product of Cauchy laws.

    Parameters
    ----------
    lengthscale : float, sequence of float or Tensor, shape (), (d,) or (*batch, 1, d)
        In the units of the points; positive.
    norm : {"l2", "l1"}
        The distance.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.

    References
    ----------
    A. Rahimi, B. Recht, Random Features for Large-Scale Kernel Machines, figure 1.
    https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines

    Examples
    --------
    >>> x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    >>> Laplace(lengthscale=5.0)(x)[0, 1], Laplace(lengthscale=7.0, norm="l1")(x)[0, 1]
    (tensor(0.3679), tensor(0.3679))
    """

    smoothness = 1.0

    def __init__(
        self,
        lengthscale: float | Sequence[float] | Tensor = 1.0,
        norm: str = "l2",
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(lengthscale, active_dimensions=active_dimensions)
        if norm not in PROFILES:
            raise ValueError(f'norm must be "l2" or "l1", got {norm!r}')
        self.norm = norm
        self.score, self.profile = PROFILES[norm]

    def _mixing(self, count: int, generator: torch.Generator | None) -> Tensor:
        half = torch.tensor(0.5)
        return 0.5 / gamma(half, count, generator)

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        if self.norm == "l2":
            return super()._frequencies(count, d, generator)
        u = torch.rand(count, d, generator=generator, dtype=torch.float64, device=place(generator))
        return (math.pi * (u - 0.5)).tan() / self.lengthscale.detach()
