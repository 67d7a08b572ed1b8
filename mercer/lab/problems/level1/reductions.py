"""Many numbers in, one number out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

ROWS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 2048), "race": (8192, 4096)}
TAGS = ("memory-bound", "reduction")


@problem(1, ROWS, tags=TAGS)
class RowSum(nn.Module):
    """The sum of every row."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(-1)


@problem(1, ROWS, tags=TAGS)
class ColumnSum(nn.Module):
    """The sum of every column."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(0)


@problem(1, ROWS, tags=TAGS)
class RowVariance(nn.Module):
    """The variance of every row, divided by the number of columns."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.var(-1, correction=0)


@problem(1, ROWS, tags=TAGS)
class RowNorm(nn.Module):
    """The Euclidean norm of every row."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.square().sum(-1).sqrt()


@problem(1, ROWS, tags=TAGS)
class ColumnMaximum(nn.Module):
    """The largest entry of every column."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(0)


@problem(1, ROWS, tags=TAGS)
class RowExtremes(nn.Module):
    """The smallest and the largest entry of every row."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.amin(-1), x.amax(-1)


@problem(1, ROWS, tags=TAGS, differentiable=False)
class RowArgMaximum(nn.Module):
    """The place of the largest entry of every row."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.argmax(-1)


@problem(1, ROWS, tags=TAGS)
class RowMoments(nn.Module):
    """The mean, the variance and the third central moment of every row."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(-1)
        centred = x - mean[:, None]
        return mean, centred.square().mean(-1), centred.pow(3).mean(-1)


@problem(1, ROWS, tags=TAGS)
class RowLogSumExp(nn.Module):
    """The logarithm of the sum of exponentials of every row."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.logsumexp(x, -1)


@problem(1, ROWS, tags=TAGS)
class TotalSquare(nn.Module):
    """The sum of the squares of all entries."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.square().sum()


@problem(
    1,
    {
        "odd": (3, 5, 7, 9),
        "small": (4, 8, 16, 16),
        "desk": (8, 32, 64, 64),
        "race": (64, 128, 64, 64),
    },
    tags=TAGS,
)
class ChannelMean(nn.Module):
    """The mean of every channel over the images and their pixels."""

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((0, 2, 3))


@problem(1, ROWS, tags=TAGS)
class RowDot(nn.Module):
    """The inner product of every row of x with the same row of y."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x * y).sum(-1)
