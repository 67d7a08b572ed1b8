"""Blocks of rows of a table, on the device of the computation, wherever the table is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mercer.learn.problem import Problem


class Rows(NamedTuple):
    """Some rows of a problem."""

    X: Tensor  # [b, d]
    Y: Tensor  # [b, c]
    weights: Tensor  # [b]


class StreamedRows:
    """Rows of a problem by blocks; each is on its way before the one ahead of it is used.

    From the memory of the host to a GPU a block is gathered in pinned memory and copied on a stream
    of its own, while the GPU is at work on the block before. Elsewhere it is a gather.

    Parameters
    ----------
    problem : Problem
        Points, targets, weights, and the device that they are wanted on.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> X = torch.arange(5.0)[:, None]
    >>> table = StreamedRows(Problem(X, X, torch.ones(5), RBF(), (1.0,)))
    >>> [block.X[:, 0].tolist() for block in table.blocks(torch.tensor([3, 1, 4]).split(2))]
    [[3.0, 1.0], [4.0]]

    References
    ----------
    "CUDA semantics", PyTorch documentation: streams, and pinned memory.
    https://docs.pytorch.org/docs/stable/notes/cuda.html
    """

    def __init__(self, problem: Problem) -> None:
        self.table = (problem.X, problem.Y, problem.weights)
        self.device = problem.device
        self.copies: torch.cuda.Stream | None = None
        if self.device.type == "cuda" and problem.X.device.type == "cpu":
            self.copies = torch.cuda.Stream(self.device)

    def blocks(self, parts: Iterable[Tensor]) -> Iterator[Rows]:
        """The rows of each index ``[b]`` in turn.

        Parameters
        ----------
        parts : iterable of Tensor of int64
            On the device of the table; read one ahead.
        """
        coming: tuple[Rows, torch.cuda.Event | None] | None = None
        for index in parts:
            following = self._sent(index)
            if coming is not None:
                yield self._arrived(*coming)
            coming = following
        if coming is not None:
            yield self._arrived(*coming)

    def take(self, index: Tensor) -> Rows:
        """The rows of one index ``[b]``."""
        return self._arrived(*self._sent(index))

    def _sent(self, index: Tensor) -> tuple[Rows, torch.cuda.Event | None]:
        if self.copies is None:
            return Rows(*(t[index].to(self.device) for t in self.table)), None
        with torch.cuda.stream(self.copies):
            pinned = [_pinned(t, index) for t in self.table]
            rows = Rows(*(t.to(self.device, non_blocking=True) for t in pinned))
            return rows, self.copies.record_event()

    def _arrived(self, rows: Rows, copied: torch.cuda.Event | None) -> Rows:
        if copied is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(copied)
            for t in rows:
                # Freed memory goes back to the stream of the copies: not before its last use here.
                t.record_stream(stream)
        return rows


def _pinned(table: Tensor, index: Tensor) -> Tensor:
    # The allocator of pinned memory hands a buffer out again only when the copy from it has ended.
    out = torch.empty(len(index), *table.shape[1:], dtype=table.dtype, pin_memory=True)
    return torch.index_select(table, 0, index, out=out)
