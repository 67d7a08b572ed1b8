"""The sum of a tensor's bits: who knows it has the numbers, at the cost of reading them once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes an entry


def digest(tensor: Tensor) -> Tensor:
    """Return the sum modulo 2^64 of the entries read as integers; shape () on the same device.

    Nothing waits: on a GPU the sum is queued like any other work, so it sees what the numbers are
    at that place of the current stream.

    Examples
    --------
    >>> digest(torch.tensor([1.0, 0.0])).item() == 0x3F800000
    True
    """
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    words = tensor.view(WORDS[tensor.element_size()])
    if words.device.type == "cpu":  # NumPy widens as it sums, ten times as fast as PyTorch
        return torch.tensor(words.numpy().sum(dtype=np.int64))
    return words.sum(dtype=torch.int64)


def digests(tensors: list[Tensor]) -> list[int]:
    """Return the digests of several tensors as numbers, which are fetched together."""
    if not tensors:
        return []
    numbers: list[int] = torch.stack([digest(t) for t in tensors]).tolist()
    return numbers
