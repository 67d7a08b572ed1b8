"""Normalisations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

ROWS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 2048), "race": (8192, 4096)}
IMAGES = {
    "odd": (3, 6, 7, 9),
    "small": (4, 8, 16, 16),
    "desk": (8, 32, 64, 64),
    "race": (64, 128, 64, 64),
}
TAGS = ("memory-bound", "norm", "reduction")


@problem(1, ROWS, tags=TAGS)
class LayerNorm(nn.Module):
    """Rows of mean 0 and variance 1, scaled and shifted column by column."""

    @staticmethod
    def initial(rows: int, columns: int) -> tuple[int]:
        return (columns,)

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 + torch.rand(columns))
        self.bias = nn.Parameter(torch.randn(columns))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, eps=1e-5)


@problem(1, ROWS, tags=TAGS)
class RmsNorm(nn.Module):
    """Rows of mean square 1, scaled column by column."""

    @staticmethod
    def initial(rows: int, columns: int) -> tuple[int]:
        return (columns,)

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 + torch.rand(columns))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.weight


@problem(1, ROWS, tags=TAGS)
class UnitRows(nn.Module):
    """Rows of Euclidean norm 1."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-12)


@problem(1, ROWS, tags=TAGS)
class UnitColumnsManhattan(nn.Module):
    """Columns whose absolute values sum to 1."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x / x.abs().sum(0).clamp_min(1e-12)


@problem(1, IMAGES, tags=TAGS)
class BatchNorm(nn.Module):
    """Channels of mean 0 and variance 1 over the batch, scaled and shifted."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 + torch.rand(channels))
        self.bias = nn.Parameter(torch.randn(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=1e-5)


@problem(1, IMAGES, tags=TAGS)
class GroupNorm(nn.Module):
    """Pairs of channels of each image with mean 0 and variance 1, scaled and shifted."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groups = channels // 2
        self.weight = nn.Parameter(0.5 + torch.rand(channels))
        self.bias = nn.Parameter(torch.randn(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.groups, self.weight, self.bias, eps=1e-5)


@problem(1, IMAGES, tags=TAGS)
class InstanceNorm(nn.Module):
    """Every channel of every image with mean 0 and variance 1."""

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        variance = x.var((2, 3), correction=0, keepdim=True)
        return (x - mean) * torch.rsqrt(variance + 1e-5)


@problem(1, IMAGES, tags=TAGS)
class PixelNorm(nn.Module):
    """The channels of every pixel with mean square 1."""

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)
