"""Normalisations and what stands around them, entry by entry."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

ROWS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 1024), "race": (8192, 4096)}
PAIRS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 1024), "race": (4096, 4096)}
TAGS = ("memory-bound", "fused", "reduction")


@problem(2, PAIRS, tags=(*TAGS, "norm"))
class ResidualRmsNorm(nn.Module):
    """A residual added, then the root-mean-square norm; both sum and norm come out."""

    @staticmethod
    def initial(rows: int, columns: int) -> tuple[int]:
        return (columns,)

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 + torch.rand(columns))

    def forward(self, x: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        sum = x + residual
        norm = sum * torch.rsqrt(sum.square().mean(-1, keepdim=True) + 1e-6)
        return norm * self.weight, sum


@problem(2, PAIRS, tags=(*TAGS, "norm"))
class DropoutResidualLayerNorm(nn.Module):
    """Entries dropped by a given mask, a residual added, then the layer norm."""

    @staticmethod
    def initial(rows: int, columns: int) -> tuple[int]:
        return (columns,)

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        mask = Argument((rows, columns), "mask")
        return [normal(rows, columns), mask, normal(rows, columns)]

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 + torch.rand(columns))
        self.bias = nn.Parameter(torch.randn(columns))

    def forward(self, x: Tensor, kept: Tensor, residual: Tensor) -> Tensor:
        sum = torch.where(kept, 2 * x, 0) + residual
        return F.layer_norm(sum, sum.shape[-1:], self.weight, self.bias)


@problem(2, ROWS, tags=("memory-bound", "fused", "elementwise"))
class BiasGelu(nn.Module):
    """A bias, then the Gaussian error linear unit by its tanh formula."""

    @staticmethod
    def initial(rows: int, columns: int) -> tuple[int]:
        return (columns,)

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.randn(columns))

    def forward(self, x: Tensor) -> Tensor:
        u = x + self.bias
        return 0.5 * u * (1 + torch.tanh(0.7978845608 * (u + 0.044715 * u.pow(3))))


@problem(2, PAIRS, tags=(*TAGS, "norm"))
class GatedRmsNorm(nn.Module):
    """Rows gated by the sigmoid linear unit of others, then of mean square 1."""

    @staticmethod
    def initial(rows: int, columns: int) -> tuple[int]:
        return (columns,)

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 + torch.rand(columns))

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        gated = x * F.silu(gate)
        return gated * torch.rsqrt(gated.square().mean(-1, keepdim=True) + 1e-6) * self.weight


@problem(
    2,
    {"odd": (3, 9, 17), "small": (4, 32, 64), "desk": (4, 256, 512), "race": (16, 2048, 1024)},
    tags=(*TAGS, "norm"),
)
class ModulatedLayerNorm(nn.Module):
    """The layer norm, scaled and shifted by what a condition says for each sequence."""

    @staticmethod
    def arguments(batch: int, length: int, width: int) -> list[Argument]:
        return [normal(batch, length, width), normal(batch, width), normal(batch, width)]

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        norm = F.layer_norm(x, x.shape[-1:])
        return norm * (1 + scale[:, None]) + shift[:, None]


@problem(2, ROWS, tags=(*TAGS, "norm"))
class ClippedRows(nn.Module):
    """Rows shrunk to the ball of radius sqrt(columns), then scaled column by column."""

    @staticmethod
    def initial(rows: int, columns: int) -> tuple[int]:
        return (columns,)

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(columns))

    def forward(self, x: Tensor) -> Tensor:
        radius = x.shape[-1] ** 0.5
        norm = x.norm(dim=-1, keepdim=True)
        return x * (radius / norm).clamp_max(1) * self.weight


@problem(2, ROWS, tags=(*TAGS, "norm"))
class StandardisedTanh(nn.Module):
    """Columns of mean 0 and variance 1 over the rows, then tanh."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, 0, correction=0)
        return torch.tanh((x - mean) * torch.rsqrt(variance + 1e-5))


@problem(
    2,
    {
        "odd": (3, 6, 7, 9),
        "small": (4, 8, 16, 16),
        "desk": (4, 32, 64, 64),
        "race": (64, 128, 64, 64),
    },
    tags=(*TAGS, "norm"),
)
class GroupNormSilu(nn.Module):
    """The group norm of pairs of channels, then the sigmoid linear unit."""

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
        return F.silu(F.group_norm(x, self.groups, self.weight, self.bias))


@problem(
    2,
    {
        "odd": (3, 6, 7, 9),
        "small": (4, 8, 16, 16),
        "desk": (4, 32, 64, 64),
        "race": (32, 128, 64, 64),
    },
    tags=(*TAGS, "norm"),
)
class BatchNormResidualRelu(nn.Module):
    """The batch norm of its own batch plus a residual, then the positive part."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width) for _ in range(2)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 + torch.rand(channels))
        self.bias = nn.Parameter(torch.randn(channels))

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        norm = F.batch_norm(x, None, None, self.weight, self.bias, training=True)
        return torch.relu(norm + residual)
