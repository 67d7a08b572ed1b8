"""Blocks of rows of a kernel matrix over the processes of a fit."""

from __future__ import annotations

from torch import Tensor

from mercer.distributed import Ranks
from mercer.learn.problem import Problem
from mercer.learn.solvers.row_blocks import RowBlocks


def row_blocks(problem: Problem, centers: Tensor, groups: list[Tensor]) -> RowBlocks:
    """``K(X, Z)`` by blocks of rows: all of them, or this process's part of each group.

    Parameters
    ----------
    problem : Problem
        Its ``ranks`` say which.
    centers : Tensor, shape (m, d)
        ``Z``.
    groups : list of Tensor of int64
        Rows, in groups that are multiplied apart.

    Returns
    -------
    RowBlocks
        Whose products are those with all rows, and the same on every rank.
    """
    if problem.ranks is None:
        return RowBlocks(problem, centers, groups)
    return ShardedRows(problem, problem.ranks, centers, groups)


class ShardedRows(RowBlocks):
    """The rows of each group divided over ranks; ``[m, c]`` and ``[v, c]`` are whole on each.

    A step of normal equations costs a rank ``2 n m c / ranks`` operations beside the entries, and
    one sum of ``m c`` numbers over ranks; nothing of size ``n`` is sent but predictions.

    Parameters
    ----------
    problem, centers, groups
        As for :class:`RowBlocks`.
    ranks : Ranks
        Who shares the rows.
    """

    def __init__(
        self, problem: Problem, ranks: Ranks, centers: Tensor, groups: list[Tensor]
    ) -> None:
        self.ranks = ranks
        self.sizes = [ranks.sizes(len(rows)) for rows in groups]
        mine = [rows[ranks.part(sizes)] for rows, sizes in zip(groups, self.sizes)]
        super().__init__(problem, centers, mine)

    @property
    def explain(self) -> str:
        """Whether the blocks are kept, on this rank."""
        return f"on each of {self.ranks.size} processes {super().explain}"

    def product(self, group: int, V: Tensor) -> Tensor:
        """``K V`` for the rows of one group, ``[m, c] -> [v, c]``."""
        return self.ranks.gather(super().product(group, V), self.sizes[group])

    def normal(self, groups: range, V: Tensor) -> Tensor:
        """``K^T W K V`` over the rows of several groups, ``[m, c] -> [m, c]``."""
        return self.ranks.sum(super().normal(groups, V))

    def targets(self, groups: range) -> Tensor:
        """``K^T W Y`` over the rows of several groups, ``[m, c]``."""
        return self.ranks.sum(super().targets(groups))
