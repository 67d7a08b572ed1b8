"""Blocks of rows of a kernel matrix, kept where they fit in memory and made anew where not."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mercer.learn.problem import Problem

ROWS = 2048


class RowBlocks:
    """``K(X, Z)`` by blocks of rows, and the products that normal equations need.

    Products take and give float64; a block is multiplied in its own dtype, and sums over blocks are
    taken in float64.

    Parameters
    ----------
    problem : Problem
        Kernel, points, weights, memory budget.
    centers : Tensor, shape (m, d)
        ``Z``.
    groups : sequence of Tensor of int64
        Rows, in groups that are multiplied apart.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    >>> one = torch.ones(2, dtype=torch.float64)
    >>> K = RowBlocks(Problem(X, X, one, RBF(), (1.0,)), X, [torch.arange(2)])
    >>> K.product(0, one[:, None])
    tensor([[1.6065],
            [1.6065]], dtype=torch.float64)
    """

    def __init__(self, problem: Problem, centers: Tensor, groups: list[Tensor]) -> None:
        self.problem, self.centers = problem, centers
        self.parts = [list(rows.split(ROWS)) for rows in groups]
        rows = sum(len(group) for group in groups)
        self.bytes = rows * len(centers) * problem.X.element_size()
        self.kept = self.bytes <= problem.memory_budget
        self._blocks: dict[tuple[int, int], Tensor] = {}

    @property
    def explain(self) -> str:
        """Whether the blocks are kept."""
        size = f"{self.bytes / 1e9:.2g} GB of kernel entries"
        return f"{size} kept in memory" if self.kept else f"{size} made anew in each step"

    def blocks(self, group: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows ``[b]`` and the block ``[b, m]`` of one group."""
        for k, rows in enumerate(self.parts[group]):
            block = self._blocks.get((group, k))
            if block is None:
                block = self.problem.operator(self.problem.X[rows], self.centers).dense()
                if self.kept:
                    self._blocks[group, k] = block
            yield rows, block

    def product(self, group: int, V: Tensor) -> Tensor:
        """``K V`` for the rows of one group, ``[m, c] -> [v, c]``."""
        W = V.mT.to(self.centers).contiguous()  # [c, m]: skinny products are faster from the left
        return torch.cat([(W @ block.mT).mT for _, block in self.blocks(group)]).double()

    def normal(self, groups: range, V: Tensor) -> Tensor:
        """``K^T W K V`` over the rows of several groups, ``[m, c] -> [m, c]``."""
        W = V.mT.to(self.centers).contiguous()
        total = torch.zeros_like(V.mT)
        for group in groups:
            for rows, block in self.blocks(group):
                Y = (W @ block.mT) * self.problem.weights[rows].to(block)  # [c, b]
                total += Y @ block
        return total.mT

    def targets(self, groups: range) -> Tensor:
        """``K^T W Y`` over the rows of several groups, ``[m, c]``."""
        shape = (self.problem.Y.shape[1], len(self.centers))
        total = torch.zeros(shape, dtype=torch.float64, device=self.centers.device)
        for group in groups:
            for rows, block in self.blocks(group):
                total += (
                    self.problem.weights[rows, None].to(block) * self.problem.Y[rows]
                ).mT @ block
        return total.mT
