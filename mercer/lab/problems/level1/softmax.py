"""Softmax and its kin: rows on the simplex."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

ROWS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 2048), "race": (8192, 4096)}
SCORES = {"odd": (3, 17), "small": (4, 64), "desk": (8, 512), "race": (8, 2048)}
TAGS = ("memory-bound", "softmax", "reduction")


@problem(1, ROWS, tags=TAGS)
class Softmax(nn.Module):
    """Exponentials of every row, divided by their sum."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, -1)


@problem(1, ROWS, tags=TAGS)
class LogSoftmax(nn.Module):
    """The logarithm of the softmax of every row."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.log_softmax(x, -1)


@problem(1, ROWS, tags=TAGS)
class ColumnSoftmax(nn.Module):
    """The softmax of every column."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, 0)


@problem(1, SCORES, tags=(*TAGS, "partial"))
class CausalSoftmax(nn.Module):
    """The softmax of each row of square scores up to the diagonal, zero behind it."""

    @staticmethod
    def arguments(heads: int, length: int) -> list[Argument]:
        return [normal(heads, length, length)]

    def forward(self, scores: Tensor) -> Tensor:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        return torch.softmax(scores.masked_fill(later, -torch.inf), -1)


@problem(1, ROWS, tags=TAGS)
class MaskedSoftmax(nn.Module):
    """The softmax of every row over the places that a mask leaves."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), Argument((rows, columns), "mask")]

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        return torch.softmax(x.masked_fill(hidden, torch.finfo(x.dtype).min), -1)


@problem(1, ROWS, tags=TAGS)
class TaylorSoftmax(nn.Module):
    """Rows of 1 + x + x^2 / 2, divided by their sum."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        taylor = 1 + x + x.square() / 2
        return taylor / taylor.sum(-1, keepdim=True)


@problem(1, ROWS, tags=TAGS)
class SoftmaxPlusOne(nn.Module):
    """Exponentials of every row, divided by one more than their sum."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        peak = x.amax(-1, keepdim=True).clamp_min(0)
        exponential = torch.exp(x - peak)
        return exponential / (torch.exp(-peak) + exponential.sum(-1, keepdim=True))


@problem(1, ROWS, tags=("softmax", "reduction", "sort"))
class Sparsemax(nn.Module):
    """The Euclidean projection of every row onto the simplex."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        ordered = x.sort(-1, descending=True).values
        count = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
        threshold = (ordered.cumsum(-1) - 1) / count
        # the largest of the thresholds is the one at which the mass is 1
        return torch.relu(x - threshold.amax(-1, keepdim=True))
