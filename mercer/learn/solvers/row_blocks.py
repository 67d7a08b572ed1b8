"""Blocks of rows of a kernel matrix, kept where they fit in memory and made anew where not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mercer.learn.problem import Problem
from mercer.learn.solvers.streamed_rows import StreamedRows

ROWS = 2048
GPU_ENTRIES = 2**26  # of a block on a GPU, which a smaller one would not keep busy
STRIP_BYTES = 4 * 2**20  # of a block on a CPU that stay in its cache from one product to the next
FEW = 4  # columns up to which products with vectors are faster on a CPU than one with a matrix


class Block(NamedTuple):
    """Rows of the kernel matrix with their targets and weights, in one dtype."""

    K: Tensor  # [b, m]
    Y: Tensor  # [b, c]
    weights: Tensor  # [b]


class RowBlocks:
    """``K(X, Z)`` by blocks of rows, and the products that normal equations need.

    Products take and give float64; a block is multiplied in its own dtype, and sums over blocks are
    taken in float64. As many blocks are kept as fit in the memory budget.

    Parameters
    ----------
    problem : Problem
        Kernel, points, weights, memory budget.
    centers : Tensor, shape (m, d)
        ``Z``, on the device of the computation.
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
        self.table = StreamedRows(problem)
        step = block_rows(centers)
        self.parts = [list(rows.split(step)) for rows in groups]
        self.width = len(centers) * problem.X.element_size()  # bytes of a row
        self.rows = sum(len(rows) for rows in groups)
        self._keep = self._that_fit(int(problem.memory_budget // self.width))
        self._blocks: dict[tuple[int, int], Block] = {}
        self._targets: dict[int, Tensor] = {}

    @property
    def explain(self) -> str:
        """How many of the blocks are kept."""
        size = f"{self.rows * self.width / 1e9:.2g} GB of kernel entries"
        kept = sum(len(self.parts[group][k]) for group, k in self._keep)
        if kept == self.rows:
            return f"{size} kept in memory"
        some = f"{size}, {kept / self.rows:.0%} of them kept and the others" if kept else size
        how = f", rows brought to {self.problem.device} by blocks" if self.problem.streamed else ""
        return f"{some} made anew in each step{how}"

    def blocks(self, group: int) -> Iterator[Block]:
        """The blocks of one group, in order."""
        parts = self.parts[group]
        missing = [rows for k, rows in enumerate(parts) if (group, k) not in self._blocks]
        fetched = self.table.blocks(missing)
        for k in range(len(parts)):
            block = self._blocks.get((group, k))
            if block is None:
                X, Y, weights = next(fetched)
                K = self.problem.operator(X, self.centers).dense()
                block = Block(K, Y, weights.to(K))
                if (group, k) in self._keep:
                    self._blocks[group, k] = block
            yield block

    def product(self, group: int, V: Tensor) -> Tensor:
        """``K V`` for the rows of one group, ``[m, c] -> [v, c]``."""
        W = V.mT.to(self.centers).contiguous()  # [c, m]: skinny products are faster from the left
        return torch.cat([(W @ block.K.mT).mT for block in self.blocks(group)]).double()

    def normal(self, groups: range, V: Tensor) -> Tensor:
        """``K^T W K V`` over the rows of several groups, ``[m, c] -> [m, c]``."""
        W = V.mT.to(self.centers).contiguous()
        total = V.new_zeros(V.shape[1], V.shape[0])  # [c, m]
        for group in groups:
            for block in self.blocks(group):
                _add_normal(total, W, block)
        return total.mT

    def targets(self, groups: range) -> Tensor:
        """``K^T W Y`` over the rows of several groups, ``[m, c]``."""
        return sum(self._targets_of(group) for group in groups).mT  # type: ignore[union-attr]

    def _that_fit(self, room: int) -> set[tuple[int, int]]:
        """The blocks to keep where there is room for so many rows."""
        keep = set()
        for group, parts in enumerate(self.parts):
            for k, rows in enumerate(parts):
                if len(rows) <= room:
                    keep.add((group, k))
                    room -= len(rows)
        return keep

    def _targets_of(self, group: int) -> Tensor:
        if group not in self._targets:
            shape = (self.problem.Y.shape[1], len(self.centers))
            total = torch.zeros(shape, dtype=torch.float64, device=self.centers.device)
            for block in self.blocks(group):
                total += (block.weights[:, None] * block.Y).mT @ block.K
            self._targets[group] = total
        return self._targets[group]


def block_rows(centers: Tensor) -> int:
    """Rows in a block of ``K(X, Z)``."""
    if centers.device.type == "cpu":
        return ROWS
    return max(ROWS, GPU_ENTRIES // len(centers))


def _add_normal(total: Tensor, W: Tensor, block: Block) -> None:
    """``total += W K^T diag(weights) K``, reading ``K`` from memory once."""
    step = len(block.K)
    if block.K.device.type == "cpu":
        step = max(STRIP_BYTES // (block.K.shape[1] * block.K.element_size()), 1)
    few = len(W) <= FEW and block.K.device.type == "cpu"
    for K, weights in zip(block.K.split(step), block.weights.split(step)):
        if few:
            for out, w in zip(total, W):
                out += K.mT @ (weights * (K @ w))
        else:
            total += ((W @ K.mT) * weights) @ K
