"""How far two samples, or a sample and a law, are apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

SAMPLES = {
    "odd": (17, 25, 5),
    "small": (64, 48, 8),
    "desk": (512, 512, 8),
    "race": (8192, 8192, 16),
}
PAIRED = {"odd": (17, 5), "small": (48, 8), "desk": (512, 8), "race": (8192, 16)}
TAGS = ("mercer", "kernel", "fused", "reduction")


@problem(2, SAMPLES, tags=TAGS)
class MaximumMeanDiscrepancy(nn.Module):
    """The squared distance of the mean Gaussian features of two samples."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        z = torch.cat([x, y])
        norm = z.square().sum(-1)
        K = torch.exp(-(norm[:, None] + norm - 2 * z @ z.mT) / (2 * z.shape[-1]))
        n = x.shape[0]
        return K[:n, :n].mean() + K[n:, n:].mean() - 2 * K[:n, n:].mean()


@problem(2, SAMPLES, tags=TAGS)
class MeanDiscrepancyWitness(nn.Module):
    """The witness function of two samples at the points of the first."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        d = x.shape[-1]
        a, b = x.square().sum(-1), y.square().sum(-1)
        within = torch.exp(-(a[:, None] + a - 2 * x @ x.mT) / (2 * d))
        across = torch.exp(-(a[:, None] + b - 2 * x @ y.mT) / (2 * d))
        return within.mean(-1) - across.mean(-1)


@problem(2, SAMPLES, tags=(*TAGS, "full-precision"))
class EnergyDistance(nn.Module):
    """Twice the mean distance across two samples less those within."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        mode = "donot_use_mm_for_euclid_dist"
        across = torch.cdist(x, y, compute_mode=mode).mean()
        within = torch.cdist(x, x, compute_mode=mode).mean()
        return 2 * across - within - torch.cdist(y, y, compute_mode=mode).mean()


@problem(2, PAIRED, tags=TAGS)
class IndependenceCriterion(nn.Module):
    """The Hilbert-Schmidt independence criterion of two paired samples."""

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        a, b = x.square().sum(-1), y.square().sum(-1)
        K = torch.exp(-(a[:, None] + a - 2 * x @ x.mT) / (2 * x.shape[-1]))
        L = torch.exp(-(b[:, None] + b - 2 * y @ y.mT) / (2 * y.shape[-1]))
        K = K - K.mean(0) - K.mean(1, keepdim=True) + K.mean()
        return (K * L).mean()


@problem(2, PAIRED, tags=TAGS)
class SteinKernelMatrix(nn.Module):
    """The Stein kernel of points and their scores, from the inverse multiquadric."""

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n, d)]

    def forward(self, x: Tensor, score: Tensor) -> Tensor:
        d = x.shape[-1]
        norm = x.square().sum(-1)
        squared = (norm[:, None] + norm - 2 * x @ x.mT).relu()
        base = 1 + squared / d  # k = base^(-1/2)
        along = (score * x).sum(-1)
        cross = along[:, None] - score @ x.mT  # s_i (x_i - x_j)
        drift = cross + cross.mT  # s_i (x_i - x_j) + s_j (x_j - x_i)
        return (
            score @ score.mT * base.pow(-0.5)
            + (drift / d + 1) * base.pow(-1.5)
            - 3 * squared / d**2 * base.pow(-2.5)
        )


@problem(
    2,
    {"odd": (25, 5, 9), "small": (64, 8, 16), "desk": (4096, 8, 32), "race": (131072, 16, 64)},
    tags=("mercer", "fused", "sort", "reduction"),
)
class SlicedWasserstein(nn.Module):
    """The mean squared gap of two samples' sorted projections on random lines."""

    @staticmethod
    def initial(n: int, d: int, lines: int) -> tuple[int, int]:
        return d, lines

    @staticmethod
    def arguments(n: int, d: int, lines: int) -> list[Argument]:
        return [normal(n, d), normal(n, d)]

    def __init__(self, d: int, lines: int) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.randn(d, lines))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        directions = self.directions / self.directions.norm(dim=0)
        a = (x @ directions).sort(0).values
        b = (y @ directions).sort(0).values
        return (a - b).square().mean()


@problem(2, PAIRED, tags=(*TAGS, "full-precision"))
class DistanceCovariance(nn.Module):
    """The mean product of the doubly centred distances of two paired samples."""

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        mode = "donot_use_mm_for_euclid_dist"
        A = torch.cdist(x, x, compute_mode=mode)
        B = torch.cdist(y, y, compute_mode=mode)
        A = A - A.mean(0) - A.mean(1, keepdim=True) + A.mean()
        return (A * B).mean()
