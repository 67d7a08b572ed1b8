"""How many input sets a race keeps on the device, and how they move between rounds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

CACHE = {"cuda": 1 << 27, "cpu": 1 << 26}  # bytes that surely exceed the last level of cache
ALIGNED = 64  # entries by which a set may move and keep the alignment of vector loads


def sets_needed(inputs: Sequence[Tensor], outputs: Sequence[Tensor], device: str) -> int:
    """Return how many sets of inputs let none of them wait in a cache for its next turn."""
    footprint = sum(t.numel() * t.element_size() for t in (*inputs, *outputs))
    cache = CACHE["cuda" if device.startswith("cuda") else "cpu"]
    return max(2, min(64, -(-2 * cache // max(footprint, 1))))


def shift_of(tensor: Tensor, *, rows: bool = True) -> int:
    """Return by how many entries an input may move on so that loads stay aligned.

    With `rows` that stay rows, the least common multiple of the last axis and of 64, else 64 alone:
    then the rows are others every time, and no slice of an earlier result is one of the next. None
    if the tensor is not longer.
    """
    if tensor.ndim == 0 or tensor.dtype == torch.bool:
        return 0
    step = math.lcm(tensor.shape[-1] or 1, ALIGNED) if rows else ALIGNED
    return step if step < tensor.numel() else 0
