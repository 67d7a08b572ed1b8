"""Samples moved, matched and embedded."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

PARTICLES = {"odd": (17, 5), "small": (48, 8), "desk": (512, 8), "race": (8192, 16)}
SAMPLES = {
    "odd": (17, 25, 5),
    "small": (48, 64, 8),
    "desk": (384, 384, 8),
    "race": (8192, 8192, 16),
}
TAGS = ("mercer", "kernel", "reduction")


@problem(3, SAMPLES, tags=("mercer", "transport", "reduction"))
class SinkhornIterations(nn.Module):
    """Five Sinkhorn iterations in the log domain: the dual potentials and the cost."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        d = x.shape[-1]
        cost = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        cost, blur = cost / d, 0.5
        f, g = torch.zeros_like(cost[:, 0]), torch.zeros_like(cost[0])
        for _ in range(5):
            f = -blur * (torch.logsumexp((g - cost) / blur, 1) - math.log(g.shape[0]))
            g = -blur * (torch.logsumexp((f[:, None] - cost) / blur, 0) - math.log(f.shape[0]))
        return f, g, f.mean() + g.mean()


@problem(3, PARTICLES, tags=TAGS)
class SteinVariationalStep(nn.Module):
    """One step of Stein variational gradient descent, given the scores."""

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n, d)]

    def forward(self, x: Tensor, score: Tensor) -> Tensor:
        n, d = x.shape
        norm = x.square().sum(-1)
        K = torch.exp(-(norm[:, None] + norm - 2 * x @ x.mT) / (2 * d))
        repulsion = (K.sum(-1, keepdim=True) * x - K @ x) / d
        return x + (K @ score + repulsion) / n


@problem(3, PARTICLES, tags=TAGS)
class KernelSteinDiscrepancy(nn.Module):
    """The squared kernel Stein discrepancy of a sample from a law with given scores."""

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n, d)]

    def forward(self, x: Tensor, score: Tensor) -> Tensor:
        d = x.shape[-1]
        norm = x.square().sum(-1)
        squared = (norm[:, None] + norm - 2 * x @ x.mT).relu()
        K = torch.exp(-squared / (2 * d))
        cross = (score * x).sum(-1)[:, None] - score @ x.mT  # s_i (x_i - x_j)
        stein = score @ score.mT + (cross + cross.mT) / d + 1 - squared / d**2
        return (K * stein).mean()


@problem(3, {"odd": (17,), "small": (48,), "desk": (512,), "race": (8192,)}, tags=TAGS)
class NeighbourEmbeddingGradient(nn.Module):
    """The gradient of the t-SNE objective in the plane, affinities given by rows."""

    @staticmethod
    def arguments(n: int) -> list[Argument]:
        return [normal(n, 2), Argument((n, n), "probability")]

    def forward(self, y: Tensor, rows: Tensor) -> Tensor:
        n = y.shape[0]
        P = (rows + rows.mT) / (2 * rows.sum())
        norm = y.square().sum(-1)
        W = 1 / (1 + (norm[:, None] + norm - 2 * y @ y.mT).relu())
        W = W - torch.diag(W.diagonal())  # no point is its own neighbour
        force = (P - W / W.sum()) * W
        return 4 * n * (force.sum(-1, keepdim=True) * y - force @ y)


@problem(3, SAMPLES, tags=TAGS)
class MeanShift(nn.Module):
    """Three mean-shift steps of points towards the modes of a sample's density."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, sample: Tensor) -> Tensor:
        for _ in range(3):
            squared = x.square().sum(-1)[:, None] + sample.square().sum(-1) - 2 * x @ sample.mT
            x = torch.softmax(-squared / 2, -1) @ sample
        return x


@problem(
    3,
    {"odd": (25, 5, 3), "small": (64, 8, 4), "desk": (4096, 8, 16), "race": (262144, 16, 64)},
    tags=("mercer", "reduction", "matmul"),
)
class GaussianMixtureStep(nn.Module):
    """One step of expectation and maximisation: weights, means and log-likelihood."""

    @staticmethod
    def initial(n: int, d: int, components: int) -> tuple[int, int]:
        return d, components

    @staticmethod
    def arguments(n: int, d: int, components: int) -> list[Argument]:
        return [normal(n, d)]

    def __init__(self, d: int, components: int) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.randn(components, d))
        self.logits = nn.Parameter(torch.randn(components))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mu = self.means
        squared = x.square().sum(-1)[:, None] + mu.square().sum(-1) - 2 * x @ mu.mT
        joint = torch.log_softmax(self.logits, 0) - squared / 2
        evidence = torch.logsumexp(joint, -1, keepdim=True)
        share = torch.exp(joint - evidence)  # (n, components)
        mass = share.sum(0)
        means = share.mT @ x / (mass[:, None] + 1e-6)
        return mass / x.shape[0], means, evidence.mean()


@problem(3, SAMPLES, tags=TAGS)
class MultiscaleMeanDiscrepancyGradient(nn.Module):
    """The gradient in x of the squared mean discrepancy, summed over three widths."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        n, d = x.shape
        z = torch.cat([x, y])
        squared = x.square().sum(-1)[:, None] + z.square().sum(-1) - 2 * x @ z.mT
        weight = torch.cat([x.new_full((n,), 1 / n), x.new_full((len(y),), -1 / len(y))])
        slope = torch.zeros_like(squared)
        for width in (0.5 * d, 1.0 * d, 2.0 * d):
            slope = slope + torch.exp(-squared / (2 * width)) / width
        slope = slope * weight  # (n, n + m)
        return 2 * (slope @ z - slope.sum(-1, keepdim=True) * x)


@problem(
    3,
    {"odd": (17, 3, 5), "small": (48, 4, 8), "desk": (512, 8, 8), "race": (8192, 32, 16)},
    tags=(*TAGS, "softmax"),
)
class SoftKernelClusters(nn.Module):
    """Soft cluster shares of points, after one step of kernel means from given shares."""

    @staticmethod
    def arguments(n: int, clusters: int, d: int) -> list[Argument]:
        return [normal(n, d), Argument((n, clusters), "probability")]

    def forward(self, x: Tensor, share: Tensor) -> Tensor:
        norm = x.square().sum(-1)
        K = torch.exp(-(norm[:, None] + norm - 2 * x @ x.mT) / (2 * x.shape[-1]))
        share = share / share.sum(0)
        cross = K @ share  # (n, clusters)
        squared = (share * cross).sum(0) - 2 * cross  # up to k(x, x)
        return torch.softmax(-4 * squared, -1)


@problem(3, PARTICLES, tags=TAGS)
class LeapfrogStep(nn.Module):
    """One leapfrog step of particles in their own Gaussian kernel's potential."""

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n, d)]

    def forward(self, x: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        n, d = x.shape
        h = 0.5
        x = x + 0.5 * h * p
        norm = x.square().sum(-1)
        K = torch.exp(-(norm[:, None] + norm - 2 * x @ x.mT) / (2 * d))
        p = p + h * (K.sum(-1, keepdim=True) * x - K @ x) / (d * n) * math.sqrt(n)
        return x + 0.5 * h * p, p
