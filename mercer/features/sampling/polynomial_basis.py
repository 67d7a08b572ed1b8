"""Legendre and Hermite polynomials."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer.features.sampling.basis import Basis

REACH = 9.0  # standard deviations beyond the last turning point; the mass there is under 1e-17


class PolynomialBasis(Basis):
    r"""The polynomials of degree below ``size``, orthonormal for a measure.

    .. math:: x\, p_k = b_{k+1}\, p_{k+1} + b_k\, p_{k-1}, \quad
        b_k = k / \sqrt{4 k^2 - 1} \text{ (uniform)}, \quad b_k = \sqrt{k} \text{ (gaussian)}

    Parameters
    ----------
    size : int
        How many; at least one.
    measure : {"uniform", "gaussian"}
        Legendre's on ``[-1, 1]`` or (probabilists') Hermite's.

    Examples
    --------
    >>> PolynomialBasis(3, "gaussian").values(torch.tensor([2.0]))  # 1, x, (x^2 - 1) / sqrt(2)
    tensor([[1.0000, 2.0000, 2.1213]])
    """

    def __init__(self, size: int, measure: str = "uniform") -> None:
        super().__init__(size, measure)
        self.reach = math.sqrt(4 * size) + REACH

    def values(self, x: Tensor) -> Tensor:
        """The polynomials at points of any shape: ``[...] -> [..., size]``."""
        columns = [torch.ones_like(x)]
        previous, b = torch.zeros_like(x), 0.0
        for k in range(1, self.size):
            following = self._recurrence(k)
            columns.append((x * columns[-1] - b * previous) / following)
            previous, b = columns[-2], following
        return torch.stack(columns, -1)

    def _recurrence(self, k: int) -> float:
        return math.sqrt(k) if self.measure.name == "gaussian" else k / math.sqrt(4 * k * k - 1)
