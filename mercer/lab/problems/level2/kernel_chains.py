"""Kernel matrices and what is made of their rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

POINTS = {
    "odd": (17, 25, 5),
    "small": (64, 48, 8),
    "desk": (768, 768, 8),
    "race": (16384, 16384, 16),
}
VALUES = {
    "odd": (17, 25, 5, 3),
    "small": (64, 48, 8, 4),
    "desk": (768, 768, 8, 8),
    "race": (16384, 16384, 16, 16),
}
TAGS = ("mercer", "kernel", "fused", "reduction")


@problem(2, POINTS, tags=TAGS)
class KernelLogDensity(nn.Module):
    """The logarithm of a Gaussian kernel density estimate, up to its constant."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        squared = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        return torch.logsumexp(-0.5 * squared, -1) - math.log(y.shape[0])


@problem(2, POINTS, tags=TAGS)
class SoftMinimum(nn.Module):
    """The soft minimum over j of |x_i - y_j|^2 - g_j: half a Sinkhorn iteration."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m)]

    def forward(self, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
        temperature = 0.5
        cost = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        return -temperature * torch.logsumexp((g - cost) / temperature, -1)


@problem(2, VALUES, tags=(*TAGS, "matmul"))
class NadarayaWatson(nn.Module):
    """The kernel regression of values at y, a softmax average, read at x."""

    @staticmethod
    def arguments(n: int, m: int, d: int, values: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, values)]

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        squared = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        return torch.softmax(-0.5 * squared, -1) @ v


@problem(2, POINTS, tags=(*TAGS, "matmul"))
class KernelGradient(nn.Module):
    """The gradient in x of the sum of Gaussian kernels at y with weights w."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m)]

    def forward(self, x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        d = x.shape[-1]
        squared = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        K = torch.exp(-squared / (2 * d)) * w
        return (K @ y - K.sum(-1, keepdim=True) * x) / d


@problem(2, VALUES, tags=(*TAGS, "matmul"))
class KernelMixtureProduct(nn.Module):
    """A learnt mixture of Gaussian kernels of three widths, times vectors."""

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.randn(3))

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        weight = torch.softmax(self.logits, 0)
        squared = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        scaled = squared / (2 * x.shape[-1])
        K = weight[0] * torch.exp(-4 * scaled)
        K = K + weight[1] * torch.exp(-scaled) + weight[2] * torch.exp(-scaled / 4)
        return K @ v


@problem(2, VALUES, tags=(*TAGS, "matmul"))
class ScaledLengthscaleProduct(nn.Module):
    """The Gaussian kernel with learnt lengthscales and variance, times vectors."""

    @staticmethod
    def initial(n: int, m: int, d: int, vectors: int) -> tuple[int]:
        return (d,)

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def __init__(self, d: int) -> None:
        super().__init__()
        self.log_lengthscale = nn.Parameter(math.log(d) / 2 + 0.3 * torch.randn(d))
        self.log_variance = nn.Parameter(torch.randn(()))

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        x, y = x * torch.exp(-self.log_lengthscale), y * torch.exp(-self.log_lengthscale)
        squared = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        return torch.exp(self.log_variance - 0.5 * squared) @ v


@problem(
    2,
    {"odd": (17, 5), "small": (48, 8), "desk": (768, 8), "race": (16384, 16)},
    tags=(*TAGS, "matmul"),
)
class DiffusionOperator(nn.Module):
    """A function on points, smoothed by their density-corrected random walk."""

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n)]

    def forward(self, x: Tensor, f: Tensor) -> Tensor:
        norm = x.square().sum(-1)
        K = torch.exp(-(norm[:, None] + norm - 2 * x @ x.mT) / (2 * x.shape[-1]))
        density = K.sum(-1)
        K = K / (density[:, None] * density)
        return K @ f / K.sum(-1)


@problem(
    2,
    {"odd": (17, 3), "small": (64, 3), "desk": (512, 3), "race": (8192, 3)},
    tags=("mercer", "fused", "reduction"),
)
class SoftenedGravity(nn.Module):
    """The softened gravitational acceleration of every body by all."""

    @staticmethod
    def arguments(bodies: int, d: int) -> list[Argument]:
        return [normal(bodies, d), Argument((bodies,), "positive")]

    def forward(self, x: Tensor, mass: Tensor) -> Tensor:
        difference = x - x[:, None]  # (i, j): from i to j
        inverse = torch.rsqrt(difference.square().sum(-1) + 0.01)
        return ((mass * inverse.pow(3))[..., None] * difference).sum(1)


@problem(
    2,
    {"odd": (17, 9, 5), "small": (64, 32, 8), "desk": (2048, 256, 16), "race": (65536, 1024, 32)},
    tags=("mercer", "features", "matmul", "fused"),
)
class FourierFeatureRegression(nn.Module):
    """The prediction of a linear model over random Fourier features."""

    @staticmethod
    def initial(n: int, D: int, d: int) -> tuple[int, int]:
        return d, D

    @staticmethod
    def arguments(n: int, D: int, d: int) -> list[Argument]:
        return [normal(n, d)]

    def __init__(self, d: int, D: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(d, D) / d**0.5)
        self.phase = nn.Parameter(2 * math.pi * torch.rand(D))
        self.weight = nn.Parameter(torch.randn(D))

    def forward(self, x: Tensor) -> Tensor:
        features = torch.cos(x @ self.frequencies + self.phase)
        return features @ self.weight * math.sqrt(2 / self.weight.shape[0])


@problem(
    2,
    {"odd": (7, 2), "small": (16, 6), "desk": (256, 10), "race": (8192, 12)},
    tags=("memory-bound", "mercer", "features", "transform", "fused"),
)
class FastFeatures(nn.Module):
    """Signs, a Walsh-Hadamard transform, normal scales, another transform, then cosines."""

    @staticmethod
    def initial(rows: int, exponent: int) -> tuple[int]:
        return (2**exponent,)

    @staticmethod
    def arguments(rows: int, exponent: int) -> list[Argument]:
        return [normal(rows, 2**exponent)]

    def __init__(self, length: int) -> None:
        super().__init__()
        self.sign = nn.Parameter(torch.randn(length).sign())
        self.scale = nn.Parameter(torch.randn(length))

    def forward(self, x: Tensor) -> Tensor:
        rows, length = x.shape
        for diagonal in (self.sign, self.scale):
            x = x * diagonal
            step = 1
            while step < length:
                pairs = x.reshape(rows, -1, 2, step)
                a, b = pairs[:, :, 0], pairs[:, :, 1]
                x = torch.stack([a + b, a - b], 2).reshape(rows, length)
                step *= 2
            x = x / math.sqrt(length)
        return torch.cos(x)
