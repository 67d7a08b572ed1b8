"""Selection by Frank-Wolfe steps towards the sum of all features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer.learn.active.selection import Selection, column


class FrankWolfe(Selection):
    r"""The candidate that points most in the direction from the coreset to the sum of all points.

    The target is :math:`\Phi = \sum_i \phi_i`; the coreset a weighted sum of selected points, moved
    by an exact line search towards a vertex :math:`(r / c_s) \phi_s`, where
    :math:`c_i = \|\phi_i\|` and :math:`r = \sum_i c_i`. A point is selected once. See
    :class:`Selection` for the parameters.

    References
    ----------
    R. Pinsler et al., "Bayesian Batch Active Learning as Sparse Subset Approximation".
    https://arxiv.org/abs/1908.02144
    """

    positive = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.norm = self.diagonal.clamp(min=0.0).sqrt()  # c
        self.radius = self.norm.sum()  # r
        self.to_sum = self.K @ torch.ones_like(self.diagonal)  # <phi_i, Phi>
        self.to_coreset = torch.zeros_like(self.diagonal)  # <phi_i, current>
        self.square = self.diagonal.new_zeros(())  # |current|^2
        self.cross = self.diagonal.new_zeros(())  # <Phi, current>

    def scores(self) -> Tensor:
        """The cosine with what is left, up to a factor; a point of no length is last."""
        left = (self.to_sum - self.to_coreset)[: self.n]
        lowest = torch.finfo(left.dtype).min
        return torch.where(self.norm[: self.n] > 0, left / self.norm[: self.n], lowest)

    def add(self, i: int) -> None:
        """Move towards point ``i``."""
        if not float(self.norm[i]) > 0:
            return
        length = self.radius / self.norm[i]
        vertex = length * column(self.K, i)  # <phi, vertex>
        with_current = length * self.to_coreset[i]
        with_sum = length * self.to_sum[i]
        squared = self.radius**2 - 2 * with_current + self.square  # |vertex - current|^2
        if not float(squared) > 0:
            return
        step = (with_sum - with_current + self.square - self.cross) / squared
        self.square = (
            (1 - step) ** 2 * self.square
            + 2 * (1 - step) * step * with_current
            + step**2 * self.radius**2
        )
        self.cross = (1 - step) * self.cross + step * with_sum
        self.to_coreset = (1 - step) * self.to_coreset + step * vertex
