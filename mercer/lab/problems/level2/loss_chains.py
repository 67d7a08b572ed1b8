"""Losses that take several passes over their rows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

CLASSES = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 1024), "race": (8192, 4096)}
PAIRS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 1024), "race": (4096, 4096)}
TAGS = ("memory-bound", "fused", "loss", "reduction")


@problem(2, CLASSES, tags=TAGS)
class SmoothedCrossEntropy(nn.Module):
    """Each row's cross entropy with a tenth of the mass spread over all classes."""

    @staticmethod
    def arguments(rows: int, classes: int) -> list[Argument]:
        return [normal(rows, classes), Argument((rows,), "index", high=classes)]

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        log_probability = torch.log_softmax(logits, -1)
        picked = log_probability.gather(-1, label[:, None])[:, 0]
        return -(0.9 * picked + 0.1 * log_probability.mean(-1))


@problem(2, CLASSES, tags=TAGS)
class SoftmaxEntropy(nn.Module):
    """The entropy of the softmax of every row."""

    @staticmethod
    def arguments(rows: int, classes: int) -> list[Argument]:
        return [normal(rows, classes)]

    def forward(self, logits: Tensor) -> Tensor:
        log_probability = torch.log_softmax(logits, -1)
        return -(log_probability.exp() * log_probability).sum(-1)


@problem(2, CLASSES, tags=TAGS)
class RegularisedCrossEntropy(nn.Module):
    """Each row's cross entropy plus a small multiple of its squared log-partition."""

    @staticmethod
    def arguments(rows: int, classes: int) -> list[Argument]:
        return [normal(rows, classes), Argument((rows,), "index", high=classes)]

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        log_partition = torch.logsumexp(logits, -1)
        picked = logits.gather(-1, label[:, None])[:, 0]
        return log_partition - picked + 1e-4 * log_partition.square()


@problem(2, PAIRS, tags=TAGS)
class Distillation(nn.Module):
    """The divergence of a student's softmax from a teacher's, at temperature 2, row by row."""

    @staticmethod
    def arguments(rows: int, classes: int) -> list[Argument]:
        return [normal(rows, classes), normal(rows, classes)]

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        p = torch.log_softmax(teacher / 2, -1)
        q = torch.log_softmax(student / 2, -1)
        return 4 * (p.exp() * (p - q)).sum(-1)


@problem(2, PAIRS, tags=TAGS)
class FocalLoss(nn.Module):
    """The mean binary cross entropy, damped where the prediction is already right."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), Argument((rows, columns), "mask")]

    def forward(self, logits: Tensor, positive: Tensor) -> Tensor:
        margin = torch.where(positive, logits, -logits)
        return (torch.sigmoid(-margin).square() * F.softplus(-margin)).mean()


@problem(2, PAIRS, tags=TAGS)
class DiceLoss(nn.Module):
    """One minus twice the overlap of sigmoids and target over their sum, row by row."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), Argument((rows, columns), "uniform")]

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        p = torch.sigmoid(logits)
        overlap = (p * target).sum(-1)
        return 1 - 2 * overlap / (p.sum(-1) + target.sum(-1))


@problem(
    2,
    {"odd": (7, 33), "small": (64, 128), "desk": (512, 1024), "race": (4096, 2048)},
    tags=TAGS,
)
class ClippedPolicyLoss(nn.Module):
    """The mean clipped surrogate of a policy's probability ratio times the advantage."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        shape = (rows, columns)
        uniform = Argument(shape, "uniform", gradient=False)
        return [Argument(shape, "uniform"), uniform, normal(*shape, gradient=False)]

    def forward(self, log_new: Tensor, log_old: Tensor, advantage: Tensor) -> Tensor:
        ratio = torch.exp(log_new - log_old)
        clipped = ratio.clamp(0.8, 1.2)
        return -torch.minimum(ratio * advantage, clipped * advantage).mean()


@problem(2, PAIRS, tags=TAGS)
class CorrelationLoss(nn.Module):
    """One minus the correlation of every row of x with the same row of y."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = x - x.mean(-1, keepdim=True)
        y = y - y.mean(-1, keepdim=True)
        return 1 - (x * y).sum(-1) / (x.norm(dim=-1) * y.norm(dim=-1))


@problem(
    2,
    {"odd": (9, 17), "small": (32, 32), "desk": (512, 256), "race": (8192, 512)},
    tags=("matmul", "fused", "loss"),
)
class ContrastiveLoss(nn.Module):
    """The mean cross entropy of picking each row's partner among all by the cosine."""

    @staticmethod
    def arguments(rows: int, width: int) -> list[Argument]:
        return [normal(rows, width), normal(rows, width)]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        cosine = F.normalize(x, dim=-1) @ F.normalize(y, dim=-1).mT
        log_probability = torch.log_softmax(cosine / 0.1, -1)
        return -log_probability.diagonal().mean()
