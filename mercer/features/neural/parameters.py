"""Rows of layer parameters: weights, and a bias in the last column."""

from __future__ import annotations

import torch
from torch import Tensor


def check_inputs(X: Tensor, d: int) -> Tensor:
    """Return ``X`` if it has ``d`` columns, else raise."""
    if X.shape[-1] != d:
        raise ValueError(f"X must have {d} columns, got {X.shape[-1]}")
    return X


def split_bias(Y: Tensor, d: int) -> tuple[Tensor, Tensor]:
    """Weights ``[*batch, m, d]`` and biases ``[*batch, m, 1]``, zero where rows have none."""
    if Y.shape[-1] not in (d, d + 1):
        raise ValueError(
            f"rows of parameters must have {d} weights, or these and a bias, "
            f"got {Y.shape[-1]} columns"
        )
    if Y.shape[-1] == d:
        return Y, Y.new_zeros(*Y.shape[:-1], 1)
    return Y[..., :d], Y[..., d:]


def augmented_inputs(X: Tensor, d: int) -> Tensor:
    """Inputs with a column of ones, so that ``(x, 1) . (w, b) = w . x + b``."""
    return torch.cat([check_inputs(X, d), X.new_ones(*X.shape[:-1], 1)], -1)


def augmented_parameters(Y: Tensor, d: int) -> Tensor:
    """Rows ``(w, b)``, with a bias of zero where they have none."""
    return torch.cat(split_bias(Y, d), -1)
