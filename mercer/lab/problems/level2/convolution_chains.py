"""Convolutions and stencils and what follows them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

IMAGES = {
    "odd": (3, 5, 6, 13, 11),
    "small": (2, 8, 16, 16, 16),
    "desk": (4, 16, 32, 48, 48),
    "race": (32, 64, 128, 64, 64),
}
PIXELS = {"odd": (3, 13, 11), "small": (4, 32, 32), "desk": (8, 256, 256), "race": (32, 1024, 1024)}


@problem(2, IMAGES, tags=("convolution", "fused"))
class ConvolutionRelu(nn.Module):
    """A 3 by 3 convolution with a bias, then the positive part."""

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
        return torch.relu(self.convolution(x))


@problem(2, IMAGES, tags=("convolution", "fused", "norm"))
class ConvolutionGroupNormGelu(nn.Module):
    """A 3 by 3 convolution, the norm of pairs of channels, then the Gaussian unit."""

    @staticmethod
    def initial(images: int, inner: int, outer: int, height: int, width: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(images: int, inner: int, outer: int, height: int, width: int) -> list[Argument]:
        return [normal(images, inner, height, width)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inner, outer, 3, padding=1)
        self.groups = outer // 2
        self.weight = nn.Parameter(0.5 + torch.rand(outer))
        self.bias = nn.Parameter(torch.randn(outer))

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(F.group_norm(self.convolution(x), self.groups, self.weight, self.bias))


@problem(2, IMAGES, tags=("convolution", "fused", "pooling"))
class ConvolutionMaximumPooling(nn.Module):
    """A 3 by 3 convolution, tanh, then the largest of each 2 by 2 square."""

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
        return F.max_pool2d(torch.tanh(self.convolution(x)), 2)


@problem(2, IMAGES, tags=("convolution", "fused"))
class SeparableConvolution(nn.Module):
    """A filter for every channel, then a linear map of the channels of every pixel."""

    @staticmethod
    def initial(images: int, inner: int, outer: int, height: int, width: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(images: int, inner: int, outer: int, height: int, width: int) -> list[Argument]:
        return [normal(images, inner, height, width)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False)
        self.pointwise = nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


@problem(2, IMAGES, tags=("convolution", "fused", "reduction"))
class ConvolutionGlobalPooling(nn.Module):
    """A 3 by 3 convolution, the sigmoid linear unit, then the mean over all pixels."""

    @staticmethod
    def initial(images: int, inner: int, outer: int, height: int, width: int) -> tuple[int, int]:
        return inner, outer

    @staticmethod
    def arguments(images: int, inner: int, outer: int, height: int, width: int) -> list[Argument]:
        return [normal(images, inner, height, width)]

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inner, outer, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.convolution(x)).mean((2, 3))


@problem(
    2,
    {"odd": (3, 7, 29), "small": (4, 16, 64), "desk": (4, 64, 1024), "race": (16, 1024, 2048)},
    tags=("memory-bound", "convolution", "fused"),
)
class CausalConvolutionSilu(nn.Module):
    """Every channel of a sequence filtered by its last four values, then gated by itself."""

    @staticmethod
    def initial(batch: int, channels: int, length: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(batch: int, channels: int, length: int) -> list[Argument]:
        return [normal(batch, channels, length)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 * torch.randn(channels, 1, 4))
        self.bias = nn.Parameter(torch.randn(channels))

    def forward(self, x: Tensor) -> Tensor:
        past = F.pad(x, (3, 0))
        return F.silu(F.conv1d(past, self.weight, self.bias, groups=x.shape[1]))


@problem(2, PIXELS, tags=("memory-bound", "stencil", "fused"))
class EdgeStrength(nn.Module):
    """The length of the gradient of images by Sobel's differences, in reflected borders."""

    @staticmethod
    def arguments(images: int, height: int, width: int) -> list[Argument]:
        return [normal(images, height, width)]

    def forward(self, x: Tensor) -> Tensor:
        p = F.pad(x[:, None], (1, 1, 1, 1), mode="reflect")[:, 0]
        smooth = p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]  # along the columns
        across = smooth[:, :, 2:] - smooth[:, :, :-2]
        smooth = p[:, :, :-2] + 2 * p[:, :, 1:-1] + p[:, :, 2:]  # along the rows
        down = smooth[:, 2:] - smooth[:, :-2]
        return torch.sqrt(across.square() + down.square() + 1e-6)


@problem(2, PIXELS, tags=("memory-bound", "stencil", "fused"))
class HeatStep(nn.Module):
    """Two explicit steps of the heat equation on a torus."""

    @staticmethod
    def arguments(images: int, height: int, width: int) -> list[Argument]:
        return [normal(images, height, width)]

    def forward(self, u: Tensor) -> Tensor:
        for _ in range(2):
            vertical = torch.roll(u, 1, -2) + torch.roll(u, -1, -2)
            horizontal = torch.roll(u, 1, -1) + torch.roll(u, -1, -1)
            u = u + 0.2 * (vertical + horizontal - 4 * u)
        return u


@problem(2, PIXELS, tags=("memory-bound", "stencil", "fused", "reduction"))
class TotalVariation(nn.Module):
    """The sum over each image, a torus, of the smoothed lengths of its differences."""

    @staticmethod
    def arguments(images: int, height: int, width: int) -> list[Argument]:
        return [normal(images, height, width)]

    def forward(self, x: Tensor) -> Tensor:
        down = torch.roll(x, -1, 1) - x
        across = torch.roll(x, -1, 2) - x
        return torch.sqrt(down.square() + across.square() + 1e-4).sum((1, 2))
