"""Kernels on the unit interval whose eigenvalues and eigenfunctions are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel, ShiftInvariant
from mercer.kernels.brownian import Brownian


@dataclass(frozen=True)
class Eigenpairs:
    r"""The series :math:`k(x, y) = \sum_j \lambda_j \varphi_j(x) \varphi_j(y)` over [0, 1].

    Parameters
    ----------
    kernel : Brownian or ShiftInvariant
        The latter of one dimension and one order.
    count : int
        How many pairs, by falling eigenvalue.

    Raises
    ------
    ValueError
        If the eigenpairs of the kernel are not known.

    Examples
    --------
    >>> pairs = Eigenpairs(Brownian(), 3)
    >>> bool((pairs.values * math.pi**2 - torch.tensor([4, 4 / 9, 4 / 25])).abs().max() < 1e-6)
    True
    """

    kernel: Kernel
    count: int

    def __post_init__(self) -> None:
        checks.count("count", self.count)
        kernel = self.kernel
        known = isinstance(kernel, Brownian) or (
            isinstance(kernel, ShiftInvariant)
            and kernel.dimension == 1
            and isinstance(kernel.alpha, int)
        )
        if not known:
            raise ValueError(
                "kernel must be Brownian or ShiftInvariant of one dimension and order, "
                f"got {kernel!r}"
            )

    @property
    def values(self) -> Tensor:
        """The eigenvalues, ``[count]`` in float64."""
        j = torch.arange(1, self.count + 1, dtype=torch.float64)
        if isinstance(self.kernel, ShiftInvariant):
            weight, scale = self.kernel.weights.double().reshape(()), self.kernel.scale.double()
            h = (j / 2).floor()  # 0, 1, 1, 2, 2, ...
            ratio = weight * h.clamp_min(1) ** (-2.0 * self.kernel.alpha)
            return scale * torch.where(h > 0, ratio, torch.ones_like(h))
        return ((j - 0.5) * math.pi) ** -2

    def functions(self, x: Tensor) -> Tensor:
        """The eigenfunctions at points ``[n]`` or ``[n, 1]`` of the interval, ``[n, count]``."""
        x = x.reshape(-1, 1)
        j = torch.arange(1, self.count + 1, dtype=x.dtype, device=x.device)
        if isinstance(self.kernel, ShiftInvariant):
            h = (j / 2).floor()
            waves = torch.where(
                j % 2 == 0, torch.cos(2 * math.pi * h * x), torch.sin(2 * math.pi * h * x)
            )
            return torch.where(h > 0, math.sqrt(2) * waves, torch.ones_like(waves))
        return math.sqrt(2) * torch.sin((j - 0.5) * math.pi * x)
