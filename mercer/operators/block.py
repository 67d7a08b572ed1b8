"""A matrix of operators."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate

import torch
from torch import Tensor

from mercer.operators.base import TAGS, Operator, as_operator, is_transpose
from mercer.operators.batch import Keys, broadcast_batch, take_batch
from mercer.operators.zero import Zero


class Block(Operator):
    """A grid of operators seen as one.

    Parameters
    ----------
    grid : sequence of sequences of Operator, Tensor or None
        Blocks of one row have one number of rows, blocks of one column one number of columns;
        all have one dtype and device, and batches that broadcast. ``None`` stands for zeros, and
        needs another block in its row and in its column.

    Examples
    --------
    >>> A = torch.ones(1, 1)
    >>> Block([[A, None], [2 * A, 3 * A]]).dense()
    tensor([[1., 0.],
            [2., 3.]])
    """

    def __init__(self, grid: Sequence[Sequence[Operator | Tensor | None]]) -> None:
        width = len(grid[0]) if len(grid) else 0
        if width == 0 or any(len(row) != width for row in grid):
            raise ValueError(
                "grid must have rows of one length of at least 1, got lengths "
                f"{[len(row) for row in grid]}"
            )
        self.grid = _filled(grid)
        self.heights = [row[0].n for row in self.grid]
        self.widths = [block.m for block in self.grid[0]]
        for r, row in enumerate(self.grid):
            for c, block in enumerate(row):
                if (block.n, block.m) != (self.heights[r], self.widths[c]):
                    raise ValueError(
                        f"block ({r}, {c}) must be {self.heights[r]} x {self.widths[c]}, "
                        f"got {block.n} x {block.m}"
                    )
        blocks = [block for row in self.grid for block in row]
        batch = broadcast_batch(blocks, "block")
        shape = (*batch, sum(self.heights), sum(self.widths))
        super().__init__(shape, blocks[0].dtype, blocks[0].device, _tags(self.grid))

    def _matmul(self, V: Tensor) -> Tensor:
        pieces = V.split(self.widths, -2)
        batch = torch.broadcast_shapes(self.batch, V.shape[:-2])
        bands = []
        for row in self.grid:
            terms = (block._matmul(piece) for block, piece in zip(row, pieces))
            band = reduce(torch.add, terms)
            bands.append(band.expand(*batch, *band.shape[-2:]))
        return torch.cat(bands, -2)

    def _adjoint(self) -> Block:
        return Block([[block.mT for block in column] for column in zip(*self.grid)])

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        row, local_i = _located(i.flatten(), self.heights)
        column, local_j = _located(j.flatten(), self.widths)
        entries, places = [], []
        for r, blocks in enumerate(self.grid):
            for c, block in enumerate(blocks):
                place = ((row == r) & (column == c)).nonzero().squeeze(-1)
                found = block._entries(local_i[place], local_j[place])
                entries.append(found.expand(*self.batch, place.shape[0]))
                places.append(place)
        order = torch.cat(places).argsort()
        return torch.cat(entries, -1)[..., order].reshape(*self.batch, *i.shape)

    def _take_batch(self, keys: Keys) -> Block:
        return Block(
            [[take_batch(block, 2, self.batch, keys) for block in row] for row in self.grid]
        )

    def dense(self) -> Tensor:
        """The dense blocks, put together."""
        bands = []
        for row in self.grid:
            blocks = [block.dense() for block in row]
            bands.append(torch.cat([b.expand(*self.batch, *b.shape[-2:]) for b in blocks], -1))
        return torch.cat(bands, -2)


def _filled(grid: Sequence[Sequence[Operator | Tensor | None]]) -> list[list[Operator]]:
    """The grid with a zero operator for every ``None``."""
    rows = [[None if block is None else as_operator(block) for block in row] for row in grid]
    heights = [next((b for b in row if b is not None), None) for row in rows]
    widths = [next((b for b in column if b is not None), None) for column in zip(*rows)]
    filled: list[list[Operator]] = []
    for row, tall in zip(rows, heights):
        filled.append([])
        for block, wide in zip(row, widths):
            if block is None:
                if tall is None or wide is None:
                    raise ValueError(
                        "a row or a column of grid has no block but None, so its size is not known"
                    )
                block = Zero(tall.n, wide.m, dtype=tall.dtype, device=tall.device)
            filled[-1].append(block)
    return filled


def _located(index: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
    """The block each position lies in, and the position inside it."""
    ends = torch.tensor(list(accumulate(sizes)), device=index.device)
    block = torch.bucketize(index.contiguous(), ends, right=True)
    starts = ends - torch.tensor(sizes, device=index.device)
    return block, index - starts[block]


def _tags(grid: list[list[Operator]]) -> set[str]:
    size = len(grid)
    if len(grid[0]) != size or not all(grid[k][k].is_square for k in range(size)):
        return set()
    on = [grid[k][k] for k in range(size)]
    shared = set(TAGS).intersection(*(block.tags for block in on))
    above = all(isinstance(grid[r][c], Zero) for r in range(size) for c in range(r + 1, size))
    below = all(isinstance(grid[r][c], Zero) for r in range(size) for c in range(r))
    if above and below:
        return shared
    if above or below:
        return shared & {"lower_triangular" if above else "upper_triangular"}
    pairs = ((grid[r][c], grid[c][r]) for r in range(size) for c in range(r))
    mirrored = all(_mirrors(A, B) for A, B in pairs)
    return shared & {"symmetric"} if mirrored else set()


def _mirrors(A: Operator, B: Operator) -> bool:
    return (isinstance(A, Zero) and isinstance(B, Zero)) or is_transpose(A, B)
