"""Rows made to mean zero, length one or sum one, with what is fused around them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mercer.lab.channels.operator import written

ROWS = {"n": (7, 32, 512, 8192), "d": (33, 64, 1024, 4096)}
IMAGES = {"b": (2, 4, 8, 16), "g": (3, 4, 8, 32), "s": (5, 8, 32, 64)}
SCORES = {"b": (2, 2, 4, 8), "h": (3, 4, 8, 16), "t": (13, 32, 128, 1024)}


@written({"x": "n d"}, ROWS, "x")
def fused_softmax(x: Tensor) -> Tensor:
    """The softmax of every row in one pass over memory."""
    return x.softmax(-1)


@written(
    {"scores": "b h t t", "hidden": "b 1 t t ~ mask"},
    SCORES,
    "scores, hidden, scale=0.125",
    "scores, hidden",
)
def scaled_masked_softmax(scores: Tensor, hidden: Tensor, scale: float = 1.0) -> Tensor:
    """The softmax of scaled attention scores; hidden ones are taken for -10000."""
    return (scores * scale).masked_fill(hidden, -10000.0).softmax(-1)


@written(
    {"x": "n d", "weight": "d", "bias": "d"}, ROWS, "x, weight, bias", "x, weight, bias, eps=0.1"
)
def layer_norm_forward(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """The layer norm of every row, and what its gradient needs: means and reciprocal deviations."""
    variance, mean = torch.var_mean(x, -1, correction=0)
    rstd = torch.rsqrt(variance + eps)
    return (x - mean[:, None]) * rstd[:, None] * weight + bias, mean, rstd


@written(
    {"x": "n d", "residual": "n d", "weight": "d"},
    ROWS,
    "x, residual, weight",
    "x, residual, weight=weight, eps=0.01",
)
def rms_norm_residual(
    x: Tensor, residual: Tensor, weight: Tensor, eps: float = 1e-6
) -> tuple[Tensor, Tensor]:
    """Add the residual; return the sum over its root mean square, times the weight, and the sum."""
    total = x + residual
    return total * torch.rsqrt(total.square().mean(-1, keepdim=True) + eps) * weight, total


@written(
    {"x": "b 4*g s s", "weight": "4*g", "bias": "4*g"},
    IMAGES,
    "x, weight, bias, groups=2",
    "x, weight, bias, 4, eps=0.1",
)
def group_norm_silu(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float = 1e-5
) -> Tensor:
    """The group norm of images [batch, channels, height, width], then x * sigmoid(x)."""
    return F.silu(F.group_norm(x, groups, weight, bias, eps))


@written({"x": "n d"}, ROWS, "x", "x, eps=1.0")
def l2_normalise(x: Tensor, eps: float = 1e-6) -> Tensor:
    """Rows over the root of their sum of squares plus eps."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + eps)
