"""The exponential less its Taylor polynomial: powers near zero, exponential far out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer import checks
from mercer.measure.orlicz.function import OrliczFunction


@dataclass(frozen=True)
class ExponentialRemainder(OrliczFunction):
    r""":math:`\Phi(t) = e^t - \sum_{k \le m} t^k / k!`, which is :math:`t^{m+1}/(m+1)!` near zero.

    Parameters
    ----------
    degree : int, at least 0
        ``m``; 1 gives :math:`e^t - t - 1`.

    Examples
    --------
    >>> ExponentialRemainder(1)(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7183])
    """

    degree: int

    def __post_init__(self) -> None:
        checks.count("degree", self.degree, least=0)

    def __call__(self, t: Tensor) -> Tensor:
        """The remainder, without cancellation."""
        # It is e^t P(m + 1, t), with P the regularised incomplete gamma function.
        return t.exp() * torch.special.gammainc(torch.full_like(t, self.degree + 1.0), t)

    def inverse(self, value: Tensor) -> Tensor:
        """By bisection to the last bit."""
        # Phi(t) >= t^(m+1) / (m+1)! bounds t from above.
        high = (value * math.factorial(self.degree + 1)) ** (1 / (self.degree + 1))
        # So does e^t / 2 <= e^t P(m+1, t) for t >= m+1, the mean of a gamma law above its median.
        high = torch.minimum(high, (2 * value).log().clamp(min=self.degree + 1.0))
        low = torch.zeros_like(high)
        for _ in range(64):
            middle = (low + high) / 2
            below = self(middle) < value
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return high
