"""Entry by entry: gates, biases, dropout, an optimiser's step."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mercer.lab.channels.operator import written

ROWS = {"n": (7, 32, 512, 8192), "d": (33, 64, 1024, 4096)}
FLAT = {"n": (231, 2048, 1 << 20, 1 << 25)}


@written({"gate": "n d", "up": "n d"}, ROWS, "gate, up")
def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """The gate through x * sigmoid(x), times the other half of a feed-forward layer."""
    return F.silu(gate) * up


@written({"gate": "n d", "up": "n d"}, ROWS, "gate, up", "gate=gate, up=up")
def geglu(gate: Tensor, up: Tensor) -> Tensor:
    """The gate through the Gaussian unit (tanh form), times the other half."""
    return F.gelu(gate, approximate="tanh") * up


@written({"x": "n d", "bias": "d"}, ROWS, "x, bias")
def bias_gelu(x: Tensor, bias: Tensor) -> Tensor:
    """A bias for each column, then the exact Gaussian unit."""
    return F.gelu(x + bias)


@written(
    {"x": "n d", "keep": "n d ~ mask", "residual": "n d"},
    ROWS,
    "x, keep, residual, p=0.1",
    "x, keep, residual",
)
def masked_dropout_add(x: Tensor, keep: Tensor, residual: Tensor, p: float = 0.5) -> Tensor:
    """Dropout with a given mask: what is kept, over 1 - p, is added to the residual."""
    return residual + torch.where(keep, x / (1 - p), 0.0)


@written(
    {"weight": "n", "gradient": "n", "first": "n", "second": "n ~ positive"},
    FLAT,
    "weight, gradient, first, second, step=10",
    "weight, gradient, first, second, 3, rate=0.01, decay=0.0",
)
def adamw_step(
    weight: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    step: int,
    rate: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    decay: float = 0.01,
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of Adam with decoupled weight decay: the new weight and the new moments.

    Moments are corrected for their start at zero by 1 - beta^step.
    """
    first = beta1 * first + (1 - beta1) * gradient
    second = beta2 * second + (1 - beta2) * gradient * gradient
    scale = torch.sqrt(second / (1 - beta2**step)) + eps
    weight = weight * (1 - rate * decay) - rate * (first / (1 - beta1**step)) / scale
    return weight, first, second
