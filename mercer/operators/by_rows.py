"""Matrices that are applied a block of rows at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mercer import checks
from mercer.operators.base import Operator

BLOCK = 1 << 20  # entries of the blocks of rows that are formed


class ByRows(Operator):
    """An operator whose product forms a block of rows, uses it and drops it.

    A structure writes ``_take``, ``dense``, ``_adjoint`` and ``_entries``; the memory of a product
    is one block, in the gradient too, where each block is formed again.
    """

    def _matmul(self, V: Tensor) -> Tensor:
        height = max(1, BLOCK // max(1, self.batch.numel() * self.m))
        if height >= self.n:
            return self.dense() @ V
        recorded = torch.is_grad_enabled() and checks.concrete(V)
        out = []
        for start in range(0, self.n, height):
            block = self._take(slice(start, min(start + height, self.n)), slice(None))
            if recorded:
                out.append(checkpoint(_product, block, V, use_reentrant=False))
            else:
                out.append(_product(block, V))
        return torch.cat(out, -2)


def _product(block: Operator, V: Tensor) -> Any:
    return block.dense() @ V
