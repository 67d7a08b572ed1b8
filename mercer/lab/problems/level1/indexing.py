"""Entries taken, moved and gathered."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

ROWS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 1024), "race": (8192, 4096)}
BINS = {
    "odd": (5, 17, 9),
    "small": (16, 64, 32),
    "desk": (1024, 8192, 64),
    "race": (8192, 131072, 256),
}
IMAGES = {
    "odd": (3, 5, 6, 10),
    "small": (2, 8, 16, 16),
    "desk": (4, 16, 64, 64),
    "race": (64, 128, 64, 64),
}


@problem(1, BINS, tags=("indexing",))
class Embedding(nn.Module):
    """The rows of a learnt table that indices name."""

    @staticmethod
    def initial(entries: int, tokens: int, width: int) -> tuple[int, int]:
        return entries, width

    @staticmethod
    def arguments(entries: int, tokens: int, width: int) -> list[Argument]:
        return [Argument((tokens,), "index", high=entries)]

    def __init__(self, entries: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(entries, width))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table[tokens]


@problem(1, BINS, tags=("memory-bound", "indexing", "reduction"))
class SegmentSum(nn.Module):
    """The sum of the rows that share an index."""

    @staticmethod
    def initial(bins: int, rows: int, width: int) -> tuple[int]:
        return (bins,)

    @staticmethod
    def arguments(bins: int, rows: int, width: int) -> list[Argument]:
        return [normal(rows, width), Argument((rows,), "index", high=bins)]

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, x: Tensor, segment: Tensor) -> Tensor:
        return x.new_zeros(self.bins, x.shape[1]).index_add(0, segment, x)


@problem(
    1,
    {"odd": (7, 33), "small": (64, 128), "desk": (1024, 1024), "race": (4096, 4096)},
    tags=("memory-bound", "indexing"),
)
class ColumnGather(nn.Module):
    """The entries of every row at places of its own."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), Argument((rows, columns), "index", high=columns)]

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        return torch.take_along_dim(x, places, -1)


@problem(
    1,
    {
        "odd": (9, 7, 5, 11),
        "small": (32, 16, 4, 16),
        "desk": (1024, 1024, 8, 64),
        "race": (65536, 65536, 8, 256),
    },
    tags=("memory-bound", "indexing", "reduction"),
)
class WeightedEmbeddingBag(nn.Module):
    """The weighted sum of a few rows of a table, for every bag of indices."""

    @staticmethod
    def arguments(entries: int, bags: int, size: int, width: int) -> list[Argument]:
        return [
            normal(entries, width),
            Argument((bags, size), "index", high=entries),
            Argument((bags, size), "probability"),
        ]

    def forward(self, table: Tensor, bags: Tensor, weights: Tensor) -> Tensor:
        return torch.einsum("bk,bkw->bw", weights, table[bags])


@problem(1, ROWS, tags=("memory-bound", "movement"))
class Transposition(nn.Module):
    """The transpose of a matrix, laid out row by row."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.mT.contiguous()


@problem(
    1,
    {
        "odd": (2, 9, 3, 5),
        "small": (2, 32, 4, 16),
        "desk": (4, 256, 8, 64),
        "race": (8, 2048, 16, 128),
    },
    tags=("memory-bound", "movement"),
)
class HeadsFirst(nn.Module):
    """Tokens of several heads, rearranged so that each head's tokens lie together."""

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, length, heads, width)]

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 1, 3).contiguous()


@problem(1, IMAGES, tags=("memory-bound", "movement"))
class SpaceToDepth(nn.Module):
    """Images of half the side whose channels are the four pixels of each square."""

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_unshuffle(x, 2)


@problem(1, IMAGES, tags=("memory-bound", "movement"))
class CyclicShift(nn.Module):
    """Images rolled down by three pixels and to the left by two."""

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.roll(x, (3, -2), (2, 3))


@problem(
    1,
    {"odd": (3, 17), "small": (4, 64), "desk": (8, 256), "race": (8, 2048)},
    tags=("memory-bound", "movement", "partial"),
)
class PackedLowerTriangle(nn.Module):
    """The lower triangles of square matrices, row after row without gaps."""

    @staticmethod
    def arguments(batch: int, order: int) -> list[Argument]:
        return [normal(batch, order, order)]

    def forward(self, x: Tensor) -> Tensor:
        i, j = torch.tril_indices(*x.shape[-2:], device=x.device)
        return x[:, i, j]


@problem(1, ROWS, tags=("sort",))
class SortedRows(nn.Module):
    """Every row in ascending order."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.sort(-1).values


@problem(1, ROWS, tags=("memory-bound", "sort", "reduction"))
class LargestFive(nn.Module):
    """The five largest entries of every row, in descending order."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.topk(5, -1).values
