"""Convolutions and pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

IMAGES = {
    "odd": (3, 5, 9, 13, 11),
    "small": (2, 8, 16, 16, 16),
    "desk": (4, 16, 32, 48, 48),
    "race": (32, 64, 128, 64, 64),
}
CHANNELS = {
    "odd": (3, 5, 13, 11),
    "small": (2, 8, 16, 16),
    "desk": (4, 32, 64, 64),
    "race": (64, 128, 64, 64),
}
SEQUENCES = {
    "odd": (3, 7, 29),
    "small": (4, 16, 64),
    "desk": (4, 64, 512),
    "race": (16, 1024, 2048),
}


@problem(1, IMAGES, tags=("convolution",))
class Convolution2d(nn.Module):
    """A 3 by 3 convolution of images, with a bias."""

    @staticmethod
    def initial(images: int, inner: int, outer: int, height: int, width: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(images: int, inner: int, outer: int, height: int, width: int) -> list[Argument]:
        return [normal(images, inner, height, width)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inner, outer, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


@problem(1, IMAGES, tags=("convolution",))
class StridedConvolution2d(nn.Module):
    """A 5 by 5 convolution that keeps every second pixel."""

    @staticmethod
    def initial(images: int, inner: int, outer: int, height: int, width: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(images: int, inner: int, outer: int, height: int, width: int) -> list[Argument]:
        return [normal(images, inner, height, width)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inner, outer, 5, stride=2, padding=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


@problem(1, IMAGES, tags=("convolution",))
class TransposedConvolution2d(nn.Module):
    """The adjoint of a strided 4 by 4 convolution: images of twice the side."""

    @staticmethod
    def initial(images: int, inner: int, outer: int, height: int, width: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(images: int, inner: int, outer: int, height: int, width: int) -> list[Argument]:
        return [normal(images, inner, height, width)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


@problem(1, CHANNELS, tags=("memory-bound", "convolution"))
class DepthwiseConvolution2d(nn.Module):
    """A 3 by 3 convolution of every channel with a filter of its own."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


@problem(1, SEQUENCES, tags=("memory-bound", "convolution"))
class CausalDepthwiseConvolution(nn.Module):
    """A convolution of every channel of a sequence with its last four values."""

    @staticmethod
    def initial(batch: int, channels: int, length: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(batch: int, channels: int, length: int) -> list[Argument]:
        return [normal(batch, channels, length)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 * torch.randn(channels, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(F.pad(x, (3, 0)), self.weight, groups=x.shape[1])


@problem(
    1,
    {
        "odd": (3, 5, 7, 29),
        "small": (4, 8, 16, 64),
        "desk": (4, 32, 32, 1024),
        "race": (16, 256, 256, 8192),
    },
    tags=("convolution",),
)
class DilatedConvolution1d(nn.Module):
    """A convolution of sequences with three taps, four steps apart."""

    @staticmethod
    def initial(batch: int, inner: int, outer: int, length: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(batch: int, inner: int, outer: int, length: int) -> list[Argument]:
        return [normal(batch, inner, length)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inner, outer, 3, padding=4, dilation=4)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


@problem(
    1,
    {
        "odd": (2, 3, 5, 7, 9, 6),
        "small": (2, 4, 4, 8, 8, 8),
        "desk": (2, 8, 8, 16, 24, 24),
        "race": (8, 32, 64, 16, 56, 56),
    },
    tags=("convolution",),
)
class Convolution3d(nn.Module):
    """A 3 by 3 by 3 convolution of volumes."""

    @staticmethod
    def initial(
        volumes: int, inner: int, outer: int, depth: int, height: int, width: int
    ) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(
        volumes: int, inner: int, outer: int, depth: int, height: int, width: int
    ) -> list[Argument]:
        return [normal(volumes, inner, depth, height, width)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(inner, outer, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


@problem(1, CHANNELS, tags=("memory-bound", "pooling", "reduction"))
class AveragePooling(nn.Module):
    """The mean of every 3 by 3 window, each window two pixels on."""

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, stride=2, padding=1)


@problem(1, CHANNELS, tags=("memory-bound", "pooling", "reduction"))
class MaximumPooling(nn.Module):
    """The largest entry of every 3 by 3 window, each window two pixels on."""

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, stride=2, padding=1)


@problem(1, CHANNELS, tags=("memory-bound", "interpolation"))
class BilinearUpsampling(nn.Module):
    """Images of twice the side by linear interpolation along both axes."""

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
