"""What stands around attention's products."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

SCORES = {"odd": (3, 17), "small": (4, 64), "desk": (8, 384), "race": (8, 2048)}
TAGS = ("memory-bound", "fused", "reduction")


@problem(2, SCORES, tags=(*TAGS, "softmax", "partial"))
class CappedCausalSoftmax(nn.Module):
    """Scores capped by 20 tanh(s / 20), hidden behind the diagonal, then softmax."""

    @staticmethod
    def arguments(heads: int, length: int) -> list[Argument]:
        return [normal(heads, length, length)]

    def forward(self, scores: Tensor) -> Tensor:
        capped = 20 * torch.tanh(scores / 20)
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        return torch.softmax(capped.masked_fill(later, -torch.inf), -1)


@problem(2, SCORES, tags=(*TAGS, "softmax"))
class DistancePenaltySoftmax(nn.Module):
    """Scores less a slope of each head's own times the distance, then softmax."""

    @staticmethod
    def initial(heads: int, length: int) -> tuple[int]:
        return (heads,)

    @staticmethod
    def arguments(heads: int, length: int) -> list[Argument]:
        return [normal(heads, length, length)]

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(0.01 * torch.rand(heads))

    def forward(self, scores: Tensor) -> Tensor:
        place = torch.arange(scores.shape[-1], device=scores.device)
        distance = (place[:, None] - place).abs().to(scores.dtype)
        return torch.softmax(scores - self.slope[:, None, None] * distance, -1)


@problem(
    2,
    {
        "odd": (3, 9, 5, 6),
        "small": (2, 32, 4, 16),
        "desk": (2, 256, 8, 64),
        "race": (4, 4096, 16, 128),
    },
    tags=("memory-bound", "fused", "elementwise"),
)
class RotaryEmbedding(nn.Module):
    """Pairs of entries of every head, turned by angles that grow with the position."""

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, length, heads, width)]

    def forward(self, x: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        pair = torch.arange(half, dtype=x.dtype, device=x.device)
        place = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)
        angle = place[:, None] * 100 ** (-pair / half)  # (length, half)
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        first, second = x[..., :half], x[..., half:]
        return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


@problem(
    2,
    {
        "odd": (3, 9, 11, 5),
        "small": (4, 32, 32, 16),
        "desk": (8, 256, 256, 64),
        "race": (64, 1024, 1024, 64),
    },
    tags=("matmul", "fused", "softmax", "attention"),
)
class BiasedAttentionWeights(nn.Module):
    """The softmax of scaled inner products of queries and keys plus a bias."""

    @staticmethod
    def arguments(heads: int, queries: int, keys: int, width: int) -> list[Argument]:
        return [
            normal(heads, queries, width),
            normal(heads, keys, width),
            normal(heads, queries, keys),
        ]

    def forward(self, q: Tensor, k: Tensor, bias: Tensor) -> Tensor:
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        return torch.softmax(scores + bias, -1)
