"""Distances between all pairs of points."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

POINTS = {
    "odd": (17, 25, 5),
    "small": (64, 48, 16),
    "desk": (512, 512, 32),
    "race": (8192, 8192, 64),
}
LOW = {"odd": (17, 25, 3), "small": (64, 48, 3), "desk": (512, 512, 3), "race": (8192, 8192, 3)}
TAGS = ("distance", "mercer")


@problem(1, POINTS, tags=TAGS)
class SquaredDistances(nn.Module):
    """The squared Euclidean distances of all pairs."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT


@problem(1, LOW, tags=TAGS)
class ManhattanDistances(nn.Module):
    """The sums of absolute differences of all pairs."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x[:, None] - y).abs().sum(-1)


@problem(1, LOW, tags=TAGS)
class ChebyshevDistances(nn.Module):
    """The largest absolute differences of all pairs."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x[:, None] - y).abs().amax(-1)


@problem(1, POINTS, tags=TAGS)
class CosineSimilarities(nn.Module):
    """The cosines of the angles between all pairs."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = x / x.norm(dim=-1, keepdim=True)
        y = y / y.norm(dim=-1, keepdim=True)
        return x @ y.mT


@problem(1, POINTS, tags=TAGS)
class HellingerDistances(nn.Module):
    """The squared Hellinger distances between all pairs of distributions."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [Argument((n, d), "positive"), Argument((m, d), "positive")]

    def forward(self, p: Tensor, q: Tensor) -> Tensor:
        p = p / p.sum(-1, keepdim=True)
        q = q / q.sum(-1, keepdim=True)
        return 1 - p.sqrt() @ q.sqrt().mT


@problem(1, POINTS, tags=TAGS)
class MahalanobisDistances(nn.Module):
    """The squared distances of all pairs after a learnt linear map."""

    @staticmethod
    def initial(n: int, m: int, d: int) -> tuple[int]:
        return (d,)

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def __init__(self, d: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.randn(d, d) / d**0.5)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = x @ self.factor, y @ self.factor
        return x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT


@problem(1, POINTS, tags=(*TAGS, "reduction"))
class NearestSquaredDistance(nn.Module):
    """The squared distance of every point to the nearest of the others."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        squared = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        return squared.amin(-1)
