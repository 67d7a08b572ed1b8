"""Powers: the Orlicz functions of the Wasserstein distances."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from mercer.measure.orlicz.function import OrliczFunction


@dataclass(frozen=True)
class Power(OrliczFunction):
    r""":math:`\Phi(t) = t^p`, with which the metric is :math:`W_p`.

    Parameters
    ----------
    p : float, at least 1
        The power.

    Examples
    --------
    >>> import torch
    >>> Power(2.0)(torch.tensor([0.0, 3.0]))
    tensor([0., 9.])
    """

    p: float

    def __post_init__(self) -> None:
        if not 1 <= self.p < math.inf:
            raise ValueError(f"p must be at least 1 and finite, got {self.p:g}")

    def __call__(self, t: Tensor) -> Tensor:
        """``t ** p``."""
        return t**self.p

    def inverse(self, value: Tensor) -> Tensor:
        """The p-th root."""
        return value ** (1 / self.p)
