"""Layers of transformers."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

TOKENS = {
    "odd": (3, 9, 3, 5),
    "small": (2, 32, 4, 8),
    "desk": (2, 128, 4, 32),
    "race": (4, 2048, 16, 64),
}
ROWS = {
    "odd": (9, 17, 25),
    "small": (32, 32, 64),
    "desk": (256, 256, 512),
    "race": (8192, 1024, 4096),
}
EXPERTS = {
    "odd": (11, 9, 13, 3),
    "small": (32, 16, 32, 4),
    "desk": (256, 64, 128, 4),
    "race": (4096, 512, 1024, 8),
}


@problem(3, ROWS, tags=("matmul", "mlp"))
class MultilayerPerceptron(nn.Module):
    """Two linear maps with the Gaussian error linear unit between."""

    @staticmethod
    def initial(rows: int, width: int, hidden: int) -> tuple[int, int]:
        return width, hidden

    @staticmethod
    def arguments(rows: int, width: int, hidden: int) -> list[Argument]:
        return [normal(rows, width)]

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x)))


@problem(3, ROWS, tags=("matmul", "mlp", "norm"))
class GatedResidualPerceptron(nn.Module):
    """The root-mean-square norm, a gated pair of linear maps and one back, added to x."""

    @staticmethod
    def initial(rows: int, width: int, hidden: int) -> tuple[int, int]:
        return width, hidden

    @staticmethod
    def arguments(rows: int, width: int, hidden: int) -> list[Argument]:
        return [normal(rows, width)]

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.5 + torch.rand(width))
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        norm = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.weight
        return x + self.down(F.silu(self.gate(norm)) * self.up(norm))


@problem(3, TOKENS, tags=("attention", "matmul", "norm"))
class TransformerLayer(nn.Module):
    """Causal attention and a perceptron, each behind a norm and added to its input."""

    @staticmethod
    def initial(batch: int, length: int, heads: int, width: int) -> tuple[int, int]:
        return heads, width

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, length, heads * width)]

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        d = heads * width
        self.heads = heads
        self.first = nn.Parameter(0.5 + torch.rand(d))
        self.second = nn.Parameter(0.5 + torch.rand(d))
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.up = nn.Linear(d, 4 * d)
        self.down = nn.Linear(4 * d, d)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, d = x.shape
        norm = F.layer_norm(x, (d,), self.first)
        qkv = self.qkv(norm).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv  # (batch, heads, length, width)
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(later, -torch.inf)
        x = x + self.out((torch.softmax(scores, -1) @ v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(F.layer_norm(x, (d,), self.second))))


@problem(3, TOKENS, tags=("attention", "matmul", "norm"))
class ParallelTransformerLayer(nn.Module):
    """Attention and a perceptron side by side behind one norm, with normed queries and keys."""

    @staticmethod
    def initial(batch: int, length: int, heads: int, width: int) -> tuple[int, int]:
        return heads, width

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, length, heads * width)]

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        d = heads * width
        self.heads = heads
        self.weight = nn.Parameter(0.5 + torch.rand(d))
        self.temperature = nn.Parameter(1 + torch.rand(heads))
        self.inner = nn.Linear(d, 7 * d, bias=False)
        self.out = nn.Linear(5 * d, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        d = x.shape[-1]
        norm = F.rms_norm(x, (d,), self.weight, eps=1e-6)
        qkv, hidden = self.inner(norm).split([3 * d, 4 * d], -1)
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        cosine = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT
        weights = torch.softmax(self.temperature[:, None, None] * cosine, -1)
        mixed = (weights @ v).transpose(1, 2).flatten(2)
        return x + self.out(torch.cat([mixed, F.gelu(hidden)], -1))


@problem(3, TOKENS, tags=("matmul", "mlp", "norm"))
class MixerLayer(nn.Module):
    """A perceptron across the tokens, then one across the channels, each added to its input."""

    @staticmethod
    def initial(batch: int, length: int, heads: int, width: int) -> tuple[int, int]:
        return length, heads * width

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, length, heads * width)]

    def __init__(self, length: int, d: int) -> None:
        super().__init__()
        self.token_up = nn.Linear(length, 2 * length)
        self.token_down = nn.Linear(2 * length, length)
        self.channel_up = nn.Linear(d, 2 * d)
        self.channel_down = nn.Linear(2 * d, d)

    def forward(self, x: Tensor) -> Tensor:
        norm = F.layer_norm(x, x.shape[-1:]).mT  # (batch, d, length)
        x = x + self.token_down(F.gelu(self.token_up(norm))).mT
        norm = F.layer_norm(x, x.shape[-1:])
        return x + self.channel_down(F.gelu(self.channel_up(norm)))


@problem(3, EXPERTS, tags=("matmul", "mlp", "experts", "softmax"))
class SoftMixtureOfExperts(nn.Module):
    """All experts' perceptrons, averaged with each token's softmax weights."""

    @staticmethod
    def initial(tokens: int, width: int, hidden: int, experts: int) -> tuple[int, int, int]:
        return width, hidden, experts

    @staticmethod
    def arguments(tokens: int, width: int, hidden: int, experts: int) -> list[Argument]:
        return [normal(tokens, width)]

    def __init__(self, width: int, hidden: int, experts: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, experts, bias=False)
        self.up = nn.Parameter(torch.randn(experts, width, hidden) / width**0.5)
        self.down = nn.Parameter(torch.randn(experts, hidden, width) / hidden**0.5)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.softmax(self.router(x), -1)  # (tokens, experts)
        outputs = F.silu(x @ self.up) @ self.down  # (experts, tokens, width)
        return torch.einsum("te,etw->tw", gate, outputs)


@problem(3, EXPERTS, tags=("matmul", "mlp", "experts", "indexing"))
class RoutedExperts(nn.Module):
    """Two given experts for every token, weighted by the softmax of their two router scores."""

    @staticmethod
    def initial(tokens: int, width: int, hidden: int, experts: int) -> tuple[int, int, int]:
        return width, hidden, experts

    @staticmethod
    def arguments(tokens: int, width: int, hidden: int, experts: int) -> list[Argument]:
        return [normal(tokens, width), Argument((tokens, 2), "index", high=experts)]

    def __init__(self, width: int, hidden: int, experts: int) -> None:
        super().__init__()
        self.experts = experts
        self.router = nn.Linear(width, experts, bias=False)
        self.up = nn.Parameter(torch.randn(experts, width, hidden) / width**0.5)
        self.down = nn.Parameter(torch.randn(experts, hidden, width) / hidden**0.5)

    def forward(self, x: Tensor, chosen: Tensor) -> Tensor:
        gate = torch.softmax(self.router(x).gather(-1, chosen), -1)  # (tokens, 2)
        mixed = torch.zeros_like(x)
        for expert in range(self.experts):
            weight = torch.where(chosen == expert, gate, 0).sum(-1, keepdim=True)
            mixed = mixed + weight * (F.silu(x @ self.up[expert]) @ self.down[expert])
        return mixed
