"""Gaussian processes and kernel machines."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

POINTS = {
    "odd": (17, 9, 5),
    "small": (48, 32, 8),
    "desk": (384, 256, 8),
    "race": (4096, 4096, 8),
}
TRAINING = {"odd": (17, 5), "small": (48, 8), "desk": (384, 8), "race": (4096, 8)}
SAMPLE = {"odd": (17, 5), "small": (48, 8), "desk": (512, 8), "race": (8192, 16)}
BATCHES = {
    "odd": (17, 25, 5),
    "small": (32, 64, 8),
    "desk": (512, 768, 8),
    "race": (8192, 16384, 16),
}
TAGS = ("mercer", "kernel", "matmul")


@problem(3, POINTS, tags=(*TAGS, "cholesky", "full-precision"))
class GaussianProcessPrediction(nn.Module):
    """The mean and the variance of a Gaussian process at new points."""

    @staticmethod
    def arguments(n: int, m: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n), normal(m, d)]

    def forward(self, x: Tensor, y: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
        n, d = x.shape
        a, b = x.square().sum(-1), new.square().sum(-1)
        K = torch.exp(-(a[:, None] + a - 2 * x @ x.mT) / (2 * d))
        cross = torch.exp(-(a[:, None] + b - 2 * x @ new.mT) / (2 * d))  # (n, m)
        noise = 0.1 * torch.eye(n, dtype=x.dtype, device=x.device)
        L = torch.linalg.cholesky(K + noise)
        half = torch.linalg.solve_triangular(L, cross, upper=False)
        white = torch.linalg.solve_triangular(L, y[:, None], upper=False)
        return (half.mT @ white)[:, 0], 1 - half.square().sum(0)


@problem(3, TRAINING, tags=(*TAGS, "cholesky", "full-precision"))
class LogMarginalLikelihood(nn.Module):
    """The log marginal likelihood of a Gaussian process with learnt scales and noise."""

    @staticmethod
    def initial(n: int, d: int) -> tuple[int]:
        return (d,)

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n)]

    def __init__(self, d: int) -> None:
        super().__init__()
        self.log_lengthscale = nn.Parameter(math.log(d) / 2 + 0.3 * torch.randn(d))
        self.log_noise = nn.Parameter(-2 + 0.3 * torch.randn(()))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        n = x.shape[0]
        x = x * torch.exp(-self.log_lengthscale)
        norm = x.square().sum(-1)
        K = torch.exp(-0.5 * (norm[:, None] + norm - 2 * x @ x.mT))
        noise = torch.exp(self.log_noise) * torch.eye(n, dtype=x.dtype, device=x.device)
        L = torch.linalg.cholesky(K + noise)
        white = torch.linalg.solve_triangular(L, y[:, None], upper=False)
        log_determinant = 2 * L.diagonal().log().sum()
        return -0.5 * (white.square().sum() + log_determinant + n * math.log(2 * math.pi))


@problem(3, BATCHES, tags=TAGS)
class KernelRidgeStep(nn.Module):
    """One gradient step of kernel ridge regression on a batch: the new coefficients."""

    @staticmethod
    def arguments(batch: int, n: int, d: int) -> list[Argument]:
        return [
            normal(n, d),
            normal(n, 3),
            normal(batch, d),
            normal(batch, 3),
            Argument((batch,), "index", high=n),
        ]

    def forward(self, x: Tensor, a: Tensor, xb: Tensor, yb: Tensor, place: Tensor) -> Tensor:
        squared = xb.square().sum(-1)[:, None] + x.square().sum(-1) - 2 * xb @ x.mT
        residual = torch.exp(-squared / (2 * x.shape[-1])) @ a - yb
        step = (residual + 0.01 * a[place]) / xb.shape[0]
        return a.index_add(0, place, -step)


@problem(3, SAMPLE, tags=TAGS)
class RidgeConjugateGradients(nn.Module):
    """Six conjugate gradient iterations on (K + I) a = y, from zero."""

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        norm = x.square().sum(-1)
        K = torch.exp(-(norm[:, None] + norm - 2 * x @ x.mT) / 2)
        a, r, p = torch.zeros_like(y), y, y
        for _ in range(6):
            Ap = K @ p + p
            step = r.square().sum() / (p @ Ap)
            a, new = a + step * p, r - step * Ap
            p = new + new.square().sum() / r.square().sum() * p
            r = new
        return a


@problem(3, SAMPLE, tags=(*TAGS, "cholesky", "full-precision"))
class NystromFeatures(nn.Module):
    """Features whose inner products are the Nystrom approximation on nine learnt points."""

    @staticmethod
    def initial(n: int, d: int) -> tuple[int]:
        return (d,)

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d)]

    def __init__(self, d: int) -> None:
        super().__init__()
        self.landmarks = nn.Parameter(torch.randn(9, d))

    def forward(self, x: Tensor) -> Tensor:
        z, d = self.landmarks, x.shape[-1]
        a, b = x.square().sum(-1), z.square().sum(-1)
        cross = torch.exp(-(a[:, None] + b - 2 * x @ z.mT) / (2 * d))
        inner = torch.exp(-(b[:, None] + b - 2 * z @ z.mT) / (2 * d))
        L = torch.linalg.cholesky(inner + 0.01 * torch.eye(9, dtype=x.dtype, device=x.device))
        return torch.linalg.solve_triangular(L, cross.mT, upper=False).mT.contiguous()


@problem(3, BATCHES, tags=TAGS)
class DeepKernelRegression(nn.Module):
    """A kernel machine on what a small network makes of the points."""

    @staticmethod
    def initial(batch: int, n: int, d: int) -> tuple[int]:
        return (d,)

    @staticmethod
    def arguments(batch: int, n: int, d: int) -> list[Argument]:
        return [normal(batch, d), normal(n, d), normal(n, 3)]

    def __init__(self, d: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(d, 4 * d)
        self.out = nn.Linear(4 * d, d, bias=False)

    def forward(self, x: Tensor, y: Tensor, a: Tensor) -> Tensor:
        x = self.out(torch.tanh(self.hidden(x)))
        y = self.out(torch.tanh(self.hidden(y)))
        squared = x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * x @ y.mT
        return torch.exp(-0.5 * squared) @ a


@problem(3, SAMPLE, tags=(*TAGS, "reduction"))
class KernelPowerIteration(nn.Module):
    """Three power iterations with a centred kernel matrix, and the Rayleigh quotient."""

    @staticmethod
    def arguments(n: int, d: int) -> list[Argument]:
        return [normal(n, d), normal(n)]

    def forward(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        norm = x.square().sum(-1)
        K = torch.exp(-(norm[:, None] + norm - 2 * x @ x.mT) / (2 * x.shape[-1]))
        for _ in range(3):
            v = v / v.norm()
            product = K @ (v - v.mean())
            v, old = product - product.mean(), v
        return v, old @ v
