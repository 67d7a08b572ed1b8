"""Blocks of convolutional networks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

IMAGES = {
    "odd": (3, 6, 13, 11),
    "small": (2, 8, 16, 16),
    "desk": (2, 16, 48, 48),
    "race": (32, 64, 64, 64),
}
TAGS = ("convolution", "block")


@problem(3, IMAGES, tags=(*TAGS, "norm"))
class ResidualBlock(nn.Module):
    """Two normed 3 by 3 convolutions added to their input, then the positive part."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.weight = nn.Parameter(0.5 + torch.rand(2, channels))
        self.bias = nn.Parameter(torch.randn(2, channels))

    def forward(self, x: Tensor) -> Tensor:
        w, b = self.weight, self.bias
        h = F.batch_norm(self.first(x), None, None, w[0], b[0], training=True)
        h = self.second(torch.relu(h))
        return torch.relu(x + F.batch_norm(h, None, None, w[1], b[1], training=True))


@problem(3, IMAGES, tags=TAGS)
class BottleneckBlock(nn.Module):
    """Channels halved, filtered and widened again, added to their input."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.narrow = nn.Conv2d(channels, half, 1)
        self.filter = nn.Conv2d(half, half, 3, padding=1)
        self.widen = nn.Conv2d(half, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.narrow(x))
        return torch.relu(x + self.widen(torch.relu(self.filter(h))))


@problem(3, IMAGES, tags=(*TAGS, "reduction"))
class SqueezeExcitation(nn.Module):
    """Channels scaled by what a small network makes of their means."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // 2)
        self.excite = nn.Linear(channels // 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        h = F.silu(self.squeeze(x.mean((2, 3))))
        return x * torch.sigmoid(self.excite(h))[:, :, None, None]


@problem(3, IMAGES, tags=TAGS)
class InvertedResidual(nn.Module):
    """Channels doubled, filtered one by one and brought back, added to their input."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.expand = nn.Conv2d(channels, wide, 1)
        self.filter = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.project = nn.Conv2d(wide, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.hardswish(self.filter(F.hardswish(self.expand(x))))
        return x + self.project(h)


@problem(3, IMAGES, tags=(*TAGS, "norm", "matmul"))
class LargeFilterBlock(nn.Module):
    """A 7 by 7 filter per channel, a norm and a perceptron of every pixel, added to x."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.filter = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.up = nn.Linear(channels, 4 * channels)
        self.down = nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.randn(channels))

    def forward(self, x: Tensor) -> Tensor:
        h = self.filter(x).permute(0, 2, 3, 1)  # channels last
        h = self.down(F.gelu(self.up(F.layer_norm(h, h.shape[-1:]))))
        return x + (self.scale * h).permute(0, 3, 1, 2)


@problem(3, IMAGES, tags=TAGS)
class DenseBlock(nn.Module):
    """Three convolutions, each of all that came before, joined channel by channel."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(channels + 4 * k, 4, 3, padding=1) for k in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, torch.relu(layer(x))], 1)
        return x


@problem(3, IMAGES, tags=TAGS)
class MultiscaleBlock(nn.Module):
    """Filters of sides 1, 3 and 5 and a pooled branch side by side, channels joined."""

    @staticmethod
    def initial(images: int, channels: int, height: int, width: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(images: int, channels: int, height: int, width: int) -> list[Argument]:
        return [normal(images, channels, height, width)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 1)
        self.three = nn.Conv2d(channels, channels, 3, padding=1)
        self.five = nn.Conv2d(channels, channels, 5, padding=2)
        self.pooled = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pooled(F.max_pool2d(x, 3, stride=1, padding=1))
        return torch.relu(torch.cat([self.one(x), self.three(x), self.five(x), pooled], 1))
