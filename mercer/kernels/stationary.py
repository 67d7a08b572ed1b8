"""Kernels of the distance between points, with a lengthscale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from mercer.kernels.base import Kernel


class Stationary(Kernel):
    """``k(x, y) = f(s)`` with ``s`` the squared distance of ``x / lengthscale`` and ``y / lengthscale``.

    Parameters
    ----------
    lengthscale : float or Tensor, shape (), (d,) or (*batch, 1, d)
        In the units of the points; positive. One per coordinate if it has d entries.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.
    """

    stationary: ClassVar[bool] = True

    def __init__(
        self,
        lengthscale: float | Sequence[float] | Tensor = 1.0,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(active_dimensions)
        if not isinstance(lengthscale, Tensor):
            lengthscale = torch.tensor(lengthscale, dtype=torch.float64)
        self._positive("lengthscale", lengthscale)

    @property
    def lengthscale(self) -> Tensor:
        """The lengthscale, in the units of the points."""
        return self._value("lengthscale")

    def warp(self, X: Tensor) -> Tensor:
        """Points in units of the lengthscale."""
        lengthscale = self.lengthscale.to(X)
        if lengthscale.ndim and lengthscale.shape[-1] not in (1, X.shape[-1]):
            raise ValueError(
                f"lengthscale has {lengthscale.shape[-1]} entries but the kernel reads "
                f"{X.shape[-1]} coordinates"
            )
        return X / lengthscale
