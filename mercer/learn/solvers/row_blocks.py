"""Blocks of rows of a kernel matrix, kept where they fit in memory and made anew where not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mercer.engine.backend import runs_on_triton
from mercer.learn.problem import Problem
from mercer.learn.solvers.streamed_rows import StreamedRows
from mercer.operators import KernelOperator

ROWS = 2048
GPU_ENTRIES = 2**26  # of a block on a GPU, which a smaller one would not keep busy
FUSED_DIMENSION = 32  # up to which a GPU evaluates entries as fast as it reads them
FUSED_ROWS, FUSED_BYTES = 2**18, 2**26  # of the points of a block that a GPU never forms
STRIP_BYTES = 4 * 2**20  # of a block on a CPU that stay in its cache from one product to the next
FEW = 4  # columns up to which products with vectors are faster on a CPU than one with a matrix
GPU_FEW = 1  # and on a GPU


class Block(NamedTuple):
    """Rows of the kernel matrix with their targets and weights, in one dtype."""

    K: Tensor | KernelOperator  # [b, m]
    Y: Tensor  # [b, c]
    weights: Tensor  # [b]


class RowBlocks:
    """``K(X, Z)`` by blocks of rows, and the products that normal equations need.

    Products take and give float64; a block is multiplied in its own dtype, and sums over blocks are
    taken in float64. As many blocks are kept as fit in the memory budget. The others are made anew
    for each product; where the engine has one fused pass for a product with them, as on a GPU, they
    are never formed, and may be much larger.

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
        self.width = len(centers) * problem.X.element_size()  # bytes of a row
        self.rows = sum(len(rows) for rows in groups)
        self.fused = _is_fused(problem, centers)
        self.parts, self._keep = self._arranged(groups)
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
                keep = (group, k) in self._keep
                block = Block(self._matrix(X, keep), Y, weights.to(X))
                if keep:
                    self._blocks[group, k] = block
            yield block

    def product(self, group: int, V: Tensor) -> Tensor:
        """``K V`` for the rows of one group, ``[m, c] -> [v, c]``."""
        W = V.mT.to(self.centers).contiguous()  # [c, m]
        return torch.cat([_times(block.K, W).mT for block in self.blocks(group)]).double()

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

    def _arranged(self, groups: list[Tensor]) -> tuple[list[list[Tensor]], set[tuple[int, int]]]:
        """The blocks of each group, and which to keep: the first, as far as there is room."""
        room = int(self.problem.memory_budget // self.width)
        if self.fused and self.centers.shape[1] <= FUSED_DIMENSION:
            room = 0  # evaluating an entry is no slower than reading it
        step = block_rows(self.centers)
        anew = _fused_rows(self.centers) if self.fused else step
        every, keep = [], set()
        for group, rows in enumerate(groups):
            kept = len(rows) if len(rows) <= room else room // step * step
            room -= kept
            parts = [part for part in rows[:kept].split(step) if len(part)]
            keep |= {(group, k) for k in range(len(parts))}
            parts += [part for part in rows[kept:].split(anew) if len(part)]
            every.append(parts or [rows])  # a process may have no rows of a group
        return every, keep

    def _matrix(self, X: Tensor, keep: bool) -> Tensor | KernelOperator:
        K = self.problem.operator(X, self.centers)
        if self.fused and not keep:
            assert isinstance(K, KernelOperator)
            return K
        return K.dense()

    def _targets_of(self, group: int) -> Tensor:
        if group not in self._targets:
            shape = (self.problem.Y.shape[1], len(self.centers))
            total = torch.zeros(shape, dtype=torch.float64, device=self.centers.device)
            for block in self.blocks(group):
                total += _back(block.K, (block.weights[:, None] * block.Y).mT)
            self._targets[group] = total
        return self._targets[group]


def block_rows(centers: Tensor) -> int:
    """Rows in a block of ``K(X, Z)``."""
    if centers.device.type == "cpu":
        return ROWS
    return max(ROWS, GPU_ENTRIES // len(centers))


def _is_fused(problem: Problem, centers: Tensor) -> bool:
    """Whether a product with a block is one pass that does not form it, several times faster."""
    K = problem.operator(centers[:1], centers[:1])
    return isinstance(K, KernelOperator) and runs_on_triton(K.formula, K.X, "auto")[0]


def _fused_rows(centers: Tensor) -> int:
    """Rows in a block that is never formed: so many that starting the passes costs little."""
    row = centers.shape[1] * centers.element_size()
    return min(FUSED_ROWS, max(ROWS, FUSED_BYTES // max(row, 1)))


def _add_normal(total: Tensor, W: Tensor, block: Block) -> None:
    """``total += W K^T diag(weights) K``, reading a ``K`` in the memory of a CPU once."""
    K, weights = block.K, block.weights
    if isinstance(K, KernelOperator):
        total += _back(K, _times(K, W) * weights)
        return
    on_cpu = K.device.type == "cpu"
    step = max(STRIP_BYTES // (K.shape[1] * K.element_size()), 1) if on_cpu else max(len(K), 1)
    few = len(W) <= (FEW if on_cpu else GPU_FEW)
    for strip, weight in zip(K.split(step), weights.split(step)):
        if few:
            for out, w in zip(total, W):
                out += strip.mT @ (weight * (strip @ w))
        else:
            total += _back(strip, _times(strip, W) * weight)


def _times(K: Tensor | KernelOperator, W: Tensor) -> Tensor:
    """``W K^T``, ``[c, m] -> [c, b]``: skinny products with a matrix are faster from the left."""
    return (K @ W.mT).mT if isinstance(K, KernelOperator) else W @ K.mT


def _back(K: Tensor | KernelOperator, U: Tensor) -> Tensor:
    """``U K``, ``[c, b] -> [c, m]``."""
    return (K.mT @ U.mT).mT if isinstance(K, KernelOperator) else U @ K
