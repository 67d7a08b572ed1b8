"""Selection by the determinant of the kernel matrix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer.learn.active.selection import Selection, column


class MaxDet(Selection):
    r"""The candidate that enlarges :math:`\det(K_S + \sigma^2 I)` most, greedily.

    That is the candidate of the largest posterior variance given the selected ones, the pivot of a
    Cholesky decomposition with diagonal pivoting. Memory is :math:`O(n |S|)`.

    Parameters
    ----------
    *args, **options
        See :class:`Selection`.
    noise_variance : float
        :math:`\sigma^2`, at least 0, in the units of the kernel.

    References
    ----------
    A. Kirsch, J. van Amersfoort, Y. Gal, "BatchBALD". https://arxiv.org/abs/1906.08158

    Examples
    --------
    >>> from mercer.operators import LowRank
    >>> walk = MaxDet(LowRank(torch.tensor([[2.0, 0.0], [1.9, 0.1], [0.0, 1.0]])), 3, 0)
    >>> walk.prepare(2)
    >>> walk.select(walk.next())
    >>> walk.next()
    2
    """

    def __init__(self, *args: Any, noise_variance: float = 0.0, **options: Any) -> None:
        super().__init__(*args, **options)
        self.noise_variance = at_least_zero("noise_variance", noise_variance)
        self.diagonal += self.noise_variance

    def prepare(self, count: int) -> None:
        """The block of the Cholesky factor that belongs to the points chosen before."""
        self.size = self.chosen
        self.factor = self.diagonal.new_empty(self.chosen + count, self.n)  # rows of the factor
        if self.chosen:
            own = self.K[self.n :, self.n :].dense()
            own.diagonal().add_(self.noise_variance)
            L, failed = torch.linalg.cholesky_ex(own)
            if int(failed):
                raise ValueError(
                    "the kernel matrix of the points chosen before is singular; a noise_variance "
                    f"above {self.noise_variance:g} makes it regular"
                )
            cross = self.K[self.n :, : self.n].dense()  # [chosen, n]
            Z = torch.linalg.solve_triangular(L, cross, upper=False)
            self.factor[: self.chosen] = Z
            self.diagonal[: self.n] -= Z.square().sum(0)

    def scores(self) -> Tensor:
        """The posterior variance, the square of the pivot."""
        return self.diagonal[: self.n]

    def add(self, i: int) -> None:
        """Append a row to the factor."""
        L = self.factor[: self.size]
        row = column(self.K, i)[: self.n]
        row[i] += self.noise_variance
        row = (row - L[:, i] @ L) / self.diagonal[i].sqrt()
        self.factor[self.size] = row
        self.diagonal[: self.n] -= row.square()
        self.size += 1


def at_least_zero(name: str, value: float) -> float:
    """Return a finite number that is not negative, else raise."""
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be at least 0, got {value:g}")
    return float(value)
