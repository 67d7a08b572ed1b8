"""Kernel matrices times vectors: the sums over j of k(x_i, y_j) v_j."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

POINTS = {
    "odd": (17, 25, 5, 3),
    "small": (64, 48, 8, 4),
    "desk": (768, 768, 8, 8),
    "race": (16384, 16384, 16, 16),
}
LOW = {
    "odd": (17, 25, 3, 3),
    "small": (64, 48, 3, 4),
    "desk": (512, 512, 3, 4),
    "race": (8192, 8192, 3, 8),
}
TAGS = ("mercer", "kernel", "matmul", "reduction")


@problem(1, POINTS, tags=TAGS)
class RbfProduct(nn.Module):
    """The Gaussian kernel, exp(-r^2 / (2 d)), times vectors."""

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        squared = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        return torch.exp(-squared / (2 * x.shape[-1])) @ v


@problem(1, LOW, tags=TAGS)
class LaplacianProduct(nn.Module):
    """The kernel exp(-|x - y|_1 / d) times vectors."""

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        distance = (x[:, None] - y).abs().sum(-1)
        return torch.exp(-distance / x.shape[-1]) @ v


@problem(1, LOW, tags=TAGS)
class Matern32Product(nn.Module):
    """The Matern kernel of smoothness 3/2, (1 + s) exp(-s) with s = sqrt(3) r, times vectors."""

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        s = math.sqrt(3) * (x[:, None] - y).norm(dim=-1)
        return ((1 + s) * torch.exp(-s)) @ v


@problem(1, LOW, tags=TAGS)
class Matern52Product(nn.Module):
    """The Matern kernel of smoothness 5/2, with learnt lengthscales, times vectors."""

    @staticmethod
    def initial(n: int, m: int, d: int, vectors: int) -> tuple[int]:
        return (d,)

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def __init__(self, d: int) -> None:
        super().__init__()
        self.lengthscale = nn.Parameter(1 + torch.rand(d))

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        s = math.sqrt(5) * ((x[:, None] - y) / self.lengthscale).norm(dim=-1)
        return ((1 + s + s.square() / 3) * torch.exp(-s)) @ v


@problem(1, LOW, tags=TAGS)
class PeriodicProduct(nn.Module):
    """The kernel exp(-2 sum_k sin^2(pi (x_k - y_k) / 4)) of period 4 times vectors."""

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        sine = torch.sin(math.pi / 4 * (x[:, None] - y))
        return torch.exp(-2 * sine.square().sum(-1)) @ v


@problem(1, POINTS, tags=TAGS)
class RationalQuadraticProduct(nn.Module):
    """The kernel (1 + r^2 / (2 a d))^(-a), with learnt a, times vectors."""

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(0.5 + torch.rand(()))

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        squared = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        return (1 + squared.relu() / (2 * self.alpha * x.shape[-1])) ** -self.alpha @ v


@problem(1, POINTS, tags=TAGS)
class InverseMultiquadricProduct(nn.Module):
    """The kernel 1 / sqrt(1 + r^2 / d) times vectors."""

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        squared = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        return torch.rsqrt(1 + squared.relu() / x.shape[-1]) @ v


@problem(1, POINTS, tags=TAGS)
class PolynomialProduct(nn.Module):
    """The kernel (1 + x y / d)^3 times vectors."""

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        return (1 + x @ y.mT / x.shape[-1]).pow(3) @ v


@problem(1, POINTS, tags=TAGS)
class ArcSineProduct(nn.Module):
    """The kernel of a wide network of error functions, 2 / pi asin(...), times vectors."""

    @staticmethod
    def arguments(n: int, m: int, d: int, vectors: int) -> list[Argument]:
        return [normal(n, d), normal(m, d), normal(m, vectors)]

    def forward(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        a = 1 + 2 * x.square().sum(-1)
        b = 1 + 2 * y.square().sum(-1)
        cosine = 2 * x @ y.mT / (a[:, None] * b).sqrt()
        return (2 / math.pi) * torch.asin(cosine.clamp(-1, 1)) @ v
