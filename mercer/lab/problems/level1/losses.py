"""Losses: how far predictions are from targets, in one number."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

PAIRS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 1024), "race": (4096, 4096)}
CLASSES = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 1024), "race": (8192, 4096)}
TAGS = ("memory-bound", "loss", "reduction")


@problem(1, PAIRS, tags=TAGS)
class MeanSquaredError(nn.Module):
    """The mean of the squared differences."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y).square().mean()


@problem(1, PAIRS, tags=TAGS)
class HuberLoss(nn.Module):
    """The mean of a loss that is quadratic up to 1 and linear beyond."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.huber_loss(x, y, delta=1.0)


@problem(1, PAIRS, tags=TAGS)
class PinballLoss(nn.Module):
    """The mean loss of a forecast of the 0.9 quantile."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def forward(self, forecast: Tensor, y: Tensor) -> Tensor:
        excess = y - forecast
        return torch.maximum(0.9 * excess, -0.1 * excess).mean()


@problem(1, CLASSES, tags=TAGS)
class CrossEntropy(nn.Module):
    """The mean of minus the log-probability of each row's class."""

    @staticmethod
    def arguments(rows: int, classes: int) -> list[Argument]:
        return [normal(rows, classes), Argument((rows,), "index", high=classes)]

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(logits, label)


@problem(1, PAIRS, tags=TAGS)
class BinaryCrossEntropy(nn.Module):
    """The mean cross entropy of logits against probabilities of one."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), Argument((rows, columns), "uniform")]

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return (F.softplus(logits) - target * logits).mean()


@problem(1, PAIRS, tags=TAGS)
class KullbackLeibler(nn.Module):
    """The divergence of each row's target distribution from that of its logits."""

    @staticmethod
    def arguments(rows: int, classes: int) -> list[Argument]:
        return [normal(rows, classes), Argument((rows, classes), "probability", gradient=False)]

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        log_probability = torch.log_softmax(logits, -1)
        return (torch.xlogy(target, target) - target * log_probability).sum(-1)


@problem(1, PAIRS, tags=TAGS)
class PoissonLoss(nn.Module):
    """The mean negative log-likelihood of counts with rate softplus(x), up to a constant."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), Argument((rows, columns), "positive")]

    def forward(self, x: Tensor, count: Tensor) -> Tensor:
        rate = F.softplus(x) + 1e-6
        return (rate - count * torch.log(rate)).mean()


@problem(1, PAIRS, tags=TAGS)
class GaussianLogLoss(nn.Module):
    """The mean negative log-likelihood of values under normal laws, up to a constant."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        variance = Argument((rows, columns), "positive")
        return [normal(rows, columns), variance, normal(rows, columns)]

    def forward(self, mean: Tensor, variance: Tensor, y: Tensor) -> Tensor:
        return 0.5 * (torch.log(variance) + (y - mean).square() / variance).mean()


@problem(1, PAIRS, tags=TAGS)
class TripletLoss(nn.Module):
    """The mean excess of the distance to a like row over that to an unlike row, plus 1."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns) for _ in range(3)]

    def forward(self, anchor: Tensor, like: Tensor, unlike: Tensor) -> Tensor:
        near = (anchor - like).norm(dim=-1)
        far = (anchor - unlike).norm(dim=-1)
        return torch.relu(near - far + 1).mean()
