"""Numbers of eight bits with a scale for each row or column."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.lab.channels.operator import written

ROWS = {"n": (7, 32, 512, 8192), "d": (33, 64, 1024, 4096)}
LAYER = {"n": (7, 32, 128, 2048), "d": (33, 64, 512, 4096), "k": (17, 48, 512, 4096)}


@written({"x": "n d"}, ROWS, "x")
def int8_quantise_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Codes of eight bits and a scale for each row, its largest absolute value over 127."""
    scale = x.abs().amax(-1) / 127
    return torch.round(x / scale[:, None]).clamp(-127, 127).to(torch.int8), scale


@written({"codes": "n d ~ int8", "scale": "n ~ positive"}, ROWS, "codes, scale")
def int8_dequantise_rows(codes: Tensor, scale: Tensor) -> Tensor:
    """Codes times the scale of their row, in the scale's dtype."""
    return codes.to(scale.dtype) * scale[:, None]


@written({"x": "n d", "codes": "k d ~ int8", "scale": "k ~ positive"}, LAYER, "x, codes, scale")
def int8_weight_matmul(x: Tensor, codes: Tensor, scale: Tensor) -> Tensor:
    """A linear layer; its weight [out, in] is of eight bits with a scale for each output."""
    return x @ codes.to(x.dtype).mT * scale


@written({"x": "n d", "weight": "d ~ positive"}, ROWS, "x, weight", "x, weight, eps=0.1")
def rms_norm_int8(x: Tensor, weight: Tensor, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """The root-mean-square norm of every row, quantised to eight bits with a scale for each row."""
    y = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight
    scale = y.abs().amax(-1) / 127
    return torch.round(y / scale[:, None]).clamp(-127, 127).to(torch.int8), scale
