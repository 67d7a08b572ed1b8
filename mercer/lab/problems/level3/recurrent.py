"""States carried along a sequence."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

CELLS = {
    "odd": (3, 7, 5, 9),
    "small": (4, 16, 16, 16),
    "desk": (8, 64, 64, 64),
    "race": (64, 256, 512, 512),
}
HEADS = {
    "odd": (3, 3, 9, 5),
    "small": (2, 2, 16, 8),
    "desk": (2, 4, 64, 32),
    "race": (8, 16, 512, 64),
}
CHANNELS = {
    "odd": (3, 9, 5, 3),
    "small": (2, 32, 16, 4),
    "desk": (2, 96, 128, 8),
    "race": (8, 512, 2048, 16),
}


@problem(3, CELLS, tags=("recurrent", "matmul"))
class LongShortTermMemory(nn.Module):
    """The hidden states of an LSTM cell over a sequence, from zero."""

    @staticmethod
    def initial(batch: int, length: int, inner: int, hidden: int) -> tuple[int, int]:
        return inner, hidden

    @staticmethod
    def arguments(batch: int, length: int, inner: int, hidden: int) -> list[Argument]:
        return [normal(batch, length, inner)]

    def __init__(self, inner: int, hidden: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(inner, 4 * hidden)
        self.recurrent = nn.Linear(hidden, 4 * hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        drive = self.inputs(x)  # (batch, length, 4 hidden)
        h = c = x.new_zeros(x.shape[0], drive.shape[-1] // 4)
        states = []
        for t in range(x.shape[1]):
            i, f, g, o = (drive[:, t] + self.recurrent(h)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            states.append(h)
        return torch.stack(states, 1)


@problem(3, CELLS, tags=("recurrent", "matmul"))
class GatedRecurrentUnit(nn.Module):
    """The hidden states of a GRU cell over a sequence, from a given state."""

    @staticmethod
    def initial(batch: int, length: int, inner: int, hidden: int) -> tuple[int, int]:
        return inner, hidden

    @staticmethod
    def arguments(batch: int, length: int, inner: int, hidden: int) -> list[Argument]:
        return [normal(batch, length, inner), normal(batch, hidden)]

    def __init__(self, inner: int, hidden: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(inner, 3 * hidden)
        self.recurrent = nn.Linear(hidden, 3 * hidden)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        drive = self.inputs(x)
        states = []
        for t in range(x.shape[1]):
            r, z, n = drive[:, t].chunk(3, -1)
            hr, hz, hn = self.recurrent(h).chunk(3, -1)
            n = torch.tanh(n + torch.sigmoid(r + hr) * hn)
            z = torch.sigmoid(z + hz)
            h = (1 - z) * n + z * h
            states.append(h)
        return torch.stack(states, 1)


@problem(3, CELLS, tags=("recurrent", "matmul", "scan"))
class MinimalGatedUnit(nn.Module):
    """A recurrence whose gate and candidate see the input alone, so that it is a scan."""

    @staticmethod
    def initial(batch: int, length: int, inner: int, hidden: int) -> tuple[int, int]:
        return inner, hidden

    @staticmethod
    def arguments(batch: int, length: int, inner: int, hidden: int) -> list[Argument]:
        return [normal(batch, length, inner)]

    def __init__(self, inner: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(inner, hidden)
        self.candidate = nn.Linear(inner, hidden)

    def forward(self, x: Tensor) -> Tensor:
        z = torch.sigmoid(self.gate(x))
        update = z * torch.tanh(self.candidate(x))
        h = torch.zeros_like(update[:, 0])
        states = []
        for t in range(x.shape[1]):
            h = (1 - z[:, t]) * h + update[:, t]
            states.append(h)
        return torch.stack(states, 1)


@problem(3, CHANNELS, tags=("recurrent", "scan"))
class SelectiveStateSpace(nn.Module):
    """A diagonal state-space scan whose step, input and output maps depend on the input."""

    @staticmethod
    def initial(batch: int, length: int, channels: int, states: int) -> tuple[int, int]:
        return channels, states

    @staticmethod
    def arguments(batch: int, length: int, channels: int, states: int) -> list[Argument]:
        return [
            normal(batch, length, channels),
            normal(batch, length, channels),
            normal(batch, length, states),
            normal(batch, length, states),
        ]

    def __init__(self, channels: int, states: int) -> None:
        super().__init__()
        self.log_rate = nn.Parameter(torch.randn(channels, states))
        self.skip = nn.Parameter(torch.randn(channels))

    def forward(self, x: Tensor, step: Tensor, B: Tensor, C: Tensor) -> Tensor:
        delta = F.softplus(step)
        A = -torch.exp(self.log_rate)  # (channels, states)
        h = x.new_zeros(x.shape[0], *A.shape)
        outputs = []
        for t in range(x.shape[1]):
            decay = torch.exp(delta[:, t, :, None] * A)
            h = decay * h + (delta[:, t] * x[:, t])[..., None] * B[:, t, None]
            outputs.append((h * C[:, t, None]).sum(-1))
        return torch.stack(outputs, 1) + self.skip * x


@problem(3, HEADS, tags=("recurrent", "attention", "scan"))
class GatedLinearAttention(nn.Module):
    """A given matrix state that forgets by a gate per key channel and is read by queries."""

    @staticmethod
    def arguments(batch: int, heads: int, length: int, width: int) -> list[Argument]:
        shape = (batch, heads, length, width)
        gate = Argument(shape, "uniform")
        return [*(normal(*shape) for _ in range(3)), gate, normal(batch, heads, width, width)]

    def forward(self, q: Tensor, k: Tensor, v: Tensor, gate: Tensor, S: Tensor) -> Tensor:
        outputs = []
        for t in range(q.shape[2]):
            S = gate[:, :, t, :, None] * S + k[:, :, t, :, None] * v[:, :, t, None, :]
            outputs.append((q[:, :, t, None] @ S)[:, :, 0])
        return torch.stack(outputs, 2) * q.shape[-1] ** -0.5


@problem(3, HEADS, tags=("recurrent", "attention", "matmul"))
class Retention(nn.Module):
    """Causal linear attention with a fixed decay for every head, in its parallel form."""

    @staticmethod
    def initial(batch: int, heads: int, length: int, width: int) -> tuple[int]:
        return (heads,)

    @staticmethod
    def arguments(batch: int, heads: int, length: int, width: int) -> list[Argument]:
        return [normal(batch, heads, length, width) for _ in range(3)]

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.log_decay = nn.Parameter(-0.05 - 0.2 * torch.rand(heads))

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        place = torch.arange(q.shape[2], device=q.device)
        age = place[:, None] - place
        decay = torch.exp(self.log_decay[:, None, None] * age.clamp_min(0)) * (age >= 0)
        return (q @ k.mT * decay) @ v * q.shape[-1] ** -0.5


@problem(3, HEADS, tags=("recurrent", "attention", "scan"))
class DeltaRule(nn.Module):
    """A matrix state that replaces what it held under each key by the new value."""

    @staticmethod
    def arguments(batch: int, heads: int, length: int, width: int) -> list[Argument]:
        shape = (batch, heads, length, width)
        rate = Argument((batch, heads, length, 1), "uniform")
        return [normal(*shape), normal(*shape), normal(*shape), rate]

    def forward(self, q: Tensor, k: Tensor, v: Tensor, rate: Tensor) -> Tensor:
        k = F.normalize(k, dim=-1)
        S = q.new_zeros(*q.shape[:2], q.shape[-1], v.shape[-1])
        outputs = []
        for t in range(q.shape[2]):
            key = k[:, :, t, None]  # (batch, heads, 1, width)
            error = v[:, :, t, None] - key @ S
            S = S + key.mT @ (rate[:, :, t, None] * error)
            outputs.append((q[:, :, t, None] @ S)[:, :, 0])
        return torch.stack(outputs, 2)
