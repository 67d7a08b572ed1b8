"""Exponentials of powers: the Orlicz functions of sub-exponential and sub-Gaussian tails."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer.measure.orlicz.function import OrliczFunction


@dataclass(frozen=True)
class Exponential(OrliczFunction):
    r""":math:`\Phi(t) = e^{t^\beta} - 1`.

    Mass that a measure has at distance t from the support of another is at most
    :math:`1 / \Phi(t / W_\Phi)`. At :math:`W_\Phi \sim (\log n)^{-1/2}` that is
    :math:`n^{-t^2}` for :math:`\beta = 2`, where a power leaves :math:`(\log n)^{-p/2}`.

    Parameters
    ----------
    beta : float, at least 1
        The power in the exponent; below 1 the function is not convex.

    Examples
    --------
    >>> Exponential(2.0)(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.7183])
    """

    beta: float

    def __post_init__(self) -> None:
        if not 1 <= self.beta < math.inf:
            raise ValueError(f"beta must be at least 1 and finite, got {self.beta:g}")

    def __call__(self, t: Tensor) -> Tensor:
        """``exp(t ** beta) - 1``."""
        return torch.expm1(t**self.beta)

    def inverse(self, value: Tensor) -> Tensor:
        """``log(1 + value) ** (1 / beta)``."""
        return torch.log1p(value) ** (1 / self.beta)
