"""Matrix products with what follows them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mercer.lab.channels.operator import written

LAYER = {"n": (7, 32, 256, 4096), "d": (33, 64, 512, 4096), "k": (17, 48, 512, 4096)}
BATCHED = {**LAYER, "b": (3, 4, 8, 16)}
TABLE = {"n": (19, 64, 4096, 65536), "d": (10, 32, 256, 1024), "m": (23, 48, 1024, 16384)}


@written({"a": "n d", "b": "d k"}, LAYER, "a, b", "a, b, slope=0.2")
def matmul_leaky_relu(a: Tensor, b: Tensor, slope: float = 0.01) -> Tensor:
    """A product whose negative entries are multiplied by the slope."""
    return F.leaky_relu(a @ b, slope)


@written(
    {"x": "n d", "weight": "k d", "bias": "k", "residual": "n k"},
    LAYER,
    "x, weight, bias, residual",
)
def linear_bias_residual(x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor) -> Tensor:
    """A linear layer, weight [out, in], added to the residual."""
    return residual + F.linear(x, weight, bias)


@written({"a": "b n d", "b": "b d k", "bias": "b 1 k"}, BATCHED, "a, b, bias")
def batched_matmul_bias(a: Tensor, b: Tensor, bias: Tensor) -> Tensor:
    """Products batch by batch, with a bias row for each batch."""
    return torch.baddbmm(bias, a, b)


@written({"ids": "m ~ index n", "table": "n d", "positions": "m d"}, TABLE, "ids, table, positions")
def embedding_with_positions(ids: Tensor, table: Tensor, positions: Tensor) -> Tensor:
    """Rows of the table by id, plus the row of the place."""
    return table[ids] + positions


@written({"x": "n d", "places": "m ~ index n", "gates": "m ~ uniform"}, TABLE, "x, places, gates")
def gather_rows_gated(x: Tensor, places: Tensor, gates: Tensor) -> Tensor:
    """The rows that experts are handed, each times its gate."""
    return x[places] * gates[:, None]
