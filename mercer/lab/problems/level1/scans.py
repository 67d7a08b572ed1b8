"""Running sums and recurrences along an axis."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

ROWS = {"odd": (7, 33), "small": (64, 128), "desk": (1024, 2048), "race": (8192, 4096)}
STEPS = {"odd": (3, 19, 5), "small": (4, 32, 16), "desk": (8, 128, 256), "race": (16, 512, 2048)}
TAGS = ("memory-bound", "scan")


@problem(1, ROWS, tags=TAGS)
class CumulativeSum(nn.Module):
    """The sum of every row up to each column."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(-1)


@problem(1, ROWS, tags=TAGS)
class ReverseCumulativeSum(nn.Module):
    """The sum of every row from each column on."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(-1).cumsum(-1).flip(-1)


@problem(1, ROWS, tags=TAGS)
class CumulativeMaximum(nn.Module):
    """The largest entry of every row up to each column."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return x.cummax(-1).values


@problem(1, ROWS, tags=TAGS)
class CumulativeLogSumExp(nn.Module):
    """The logarithm of the running sum of the exponentials of every row."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.logcumsumexp(x, -1)


@problem(1, ROWS, tags=TAGS)
class CumulativeMean(nn.Module):
    """The mean of every row up to each column."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, x: Tensor) -> Tensor:
        count = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
        return x.cumsum(-1) / count


@problem(1, STEPS, tags=TAGS)
class LinearRecurrence(nn.Module):
    """The sequence h_t = a_t h_(t-1) + b_t of every channel, from a given h."""

    @staticmethod
    def arguments(batch: int, length: int, channels: int) -> list[Argument]:
        decay = Argument((batch, length, channels), "uniform")
        return [decay, normal(batch, length, channels), normal(batch, channels)]

    def forward(self, a: Tensor, b: Tensor, h: Tensor) -> Tensor:
        states = []
        for t in range(b.shape[1]):
            h = a[:, t] * h + b[:, t]
            states.append(h)
        return torch.stack(states, 1)


@problem(1, STEPS, tags=TAGS)
class ExponentialSmoothing(nn.Module):
    """The running mean that forgets a fraction of its past, learnt for every channel."""

    @staticmethod
    def initial(batch: int, length: int, channels: int) -> tuple[int]:
        return (channels,)

    @staticmethod
    def arguments(batch: int, length: int, channels: int) -> list[Argument]:
        return [normal(batch, length, channels)]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.randn(channels))

    def forward(self, x: Tensor) -> Tensor:
        memory = torch.sigmoid(self.logit)
        level = x[:, 0]
        levels = [level]
        for t in range(1, x.shape[1]):
            level = memory * level + (1 - memory) * x[:, t]
            levels.append(level)
        return torch.stack(levels, 1)
