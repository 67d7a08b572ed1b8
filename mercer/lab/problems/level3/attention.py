"""Attention with its projections."""

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
    "desk": (2, 256, 4, 32),
    "race": (4, 2048, 16, 64),
}
CROSS = {
    "odd": (3, 9, 11, 3, 5),
    "small": (2, 32, 48, 4, 8),
    "desk": (2, 256, 192, 4, 32),
    "race": (4, 1024, 2048, 16, 64),
}
TAGS = ("attention", "matmul", "softmax")


@problem(3, TOKENS, tags=TAGS)
class CausalSelfAttention(nn.Module):
    """Self-attention of several heads to the past, with its projections."""

    @staticmethod
    def initial(batch: int, length: int, heads: int, width: int) -> tuple[int, int]:
        return heads, width

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, length, heads * width)]

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(heads * width, 3 * heads * width, bias=False)
        self.out = nn.Linear(heads * width, heads * width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv  # (batch, heads, length, width)
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        weights = torch.softmax(scores.masked_fill(later, -torch.inf), -1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


@problem(3, TOKENS, tags=TAGS)
class GroupedQueryAttention(nn.Module):
    """Attention whose heads of queries share one head of keys and values."""

    @staticmethod
    def initial(batch: int, length: int, heads: int, width: int) -> tuple[int, int]:
        return heads, width

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, length, heads * width)]

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.query = nn.Linear(heads * width, heads * width, bias=False)
        self.key_value = nn.Linear(heads * width, 2 * width, bias=False)
        self.out = nn.Linear(heads * width, heads * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q = self.query(x).unflatten(-1, (self.heads, self.width)).transpose(1, 2)
        k, v = self.key_value(x)[:, None].chunk(2, -1)  # (batch, 1, length, width)
        weights = torch.softmax(q @ k.mT / math.sqrt(self.width), -1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


@problem(3, CROSS, tags=TAGS)
class CrossAttention(nn.Module):
    """Attention of one sequence to another, whose padding a mask hides."""

    @staticmethod
    def initial(batch: int, queries: int, keys: int, heads: int, width: int) -> tuple[int, int]:
        return heads, width

    @staticmethod
    def arguments(batch: int, queries: int, keys: int, heads: int, width: int) -> list[Argument]:
        d = heads * width
        hidden = Argument((batch, keys), "mask")
        return [normal(batch, queries, d), normal(batch, keys, d), hidden]

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(heads * width, heads * width)
        self.key = nn.Linear(heads * width, heads * width, bias=False)
        self.value = nn.Linear(heads * width, heads * width)
        self.out = nn.Linear(heads * width, heads * width)

    def forward(self, x: Tensor, memory: Tensor, hidden: Tensor) -> Tensor:
        q = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k = self.key(memory).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        v = self.value(memory).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        scores = scores.masked_fill(hidden[:, None, None], torch.finfo(x.dtype).min)
        return self.out((torch.softmax(scores, -1) @ v).transpose(1, 2).flatten(2))


@problem(3, TOKENS, tags=TAGS)
class WindowAttention(nn.Module):
    """Attention of every token to those at most three places away."""

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, heads, length, width) for _ in range(3)]

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        place = torch.arange(q.shape[-2], device=q.device)
        far = (place[:, None] - place).abs() > 3
        return torch.softmax(scores.masked_fill(far, -torch.inf), -1) @ v


@problem(3, TOKENS, tags=("attention", "matmul"))
class LinearAttention(nn.Module):
    """Attention with the weights phi(q) phi(k), phi = elu + 1, to all tokens."""

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, heads, length, width) for _ in range(3)]

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k = F.elu(q) + 1, F.elu(k) + 1
        state = k.mT @ v  # (batch, heads, width, width)
        mass = q @ k.sum(-2, keepdim=True).mT
        return q @ state / (mass + 1e-6)


@problem(3, TOKENS, tags=("attention", "matmul", "mercer", "features"))
class PositiveFeatureAttention(nn.Module):
    """Softmax attention through positive random features of the exponential kernel."""

    @staticmethod
    def initial(batch: int, length: int, heads: int, width: int) -> tuple[int]:
        return (width,)

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, heads, length, width) for _ in range(3)]

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(width, 2 * width))

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k = q * q.shape[-1] ** -0.25, k * k.shape[-1] ** -0.25
        phi_q = torch.softmax(q @ self.frequencies, -1)  # a factor of a row cancels below
        exponent = k @ self.frequencies - k.square().sum(-1, keepdim=True) / 2
        phi_k = torch.exp(exponent - exponent.amax((-2, -1), keepdim=True))
        mass = phi_q @ phi_k.sum(-2, keepdim=True).mT
        return phi_q @ (phi_k.mT @ v) / (mass + 1e-9)


@problem(3, TOKENS, tags=("attention", "matmul", "mercer", "kernel"))
class GaussianKernelAttention(nn.Module):
    """Values summed with Gaussian kernel weights of queries and keys, not normalised."""

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, heads, length, width) for _ in range(3)]

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        d = q.shape[-1]
        squared = q.square().sum(-1)[..., None] + k.square().sum(-1)[..., None, :] - 2 * q @ k.mT
        return torch.exp(-squared / (2 * d)) @ v / math.sqrt(k.shape[-2])


@problem(3, TOKENS, tags=TAGS)
class AttentionPooling(nn.Module):
    """One learnt query to each sequence: the softmax average of its tokens."""

    @staticmethod
    def initial(batch: int, length: int, heads: int, width: int) -> tuple[int]:
        return (heads * width,)

    @staticmethod
    def arguments(batch: int, length: int, heads: int, width: int) -> list[Argument]:
        return [normal(batch, length, heads * width)]

    def __init__(self, d: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(d, d)
        self.query = nn.Parameter(torch.randn(d) / d**0.5)

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.tanh(self.hidden(x)) @ self.query  # (batch, length)
        return (torch.softmax(scores, -1)[..., None] * x).sum(1)
