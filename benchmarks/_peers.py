"""Products with a Gaussian kernel matrix by other means, for ``matvec.py``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

CHUNK = 2**28  # entries of the matrix that chunked PyTorch forms at once


def bare(X: Tensor, Y: Tensor, V: Tensor, rows: int, columns: int) -> Tensor:
    """Two matrix products and one ``exp`` over the same tiles: what a product must cost."""
    out = torch.zeros(len(X), V.shape[1])
    tile = torch.empty(rows, columns)
    for i in range(0, len(X), rows):
        for j in range(0, len(Y), columns):
            x, y = X[i : i + rows], Y[j : j + columns]
            K = tile[: len(x), : len(y)] if len(x) < rows or len(y) < columns else tile
            torch.mm(x, y.T, out=K).exp_()
            out[i : i + rows].addmm_(K, V[j : j + columns])
    return out


def chunked(X: Tensor, Y: Tensor, V: Tensor, entries: int = CHUNK) -> Callable[[], Tensor]:
    """What a user of torch writes: rows by rows, ``exp(x . y - |x|^2 / 2 - |y|^2 / 2)``."""
    rows = max(entries // len(Y), 1)

    def run() -> Tensor:
        y_norm = Y.square().sum(1) / 2
        parts = []
        for x in X.split(rows):
            S = torch.addmm(y_norm[None], x, Y.T, beta=-1)  # [rows, m]
            S.sub_(x.square().sum(1, keepdim=True) / 2)
            parts.append(S.exp_() @ V)
        return torch.cat(parts)

    return run


def exact(X: Tensor, Y: Tensor, V: Tensor) -> Tensor:
    """In float64, by differences."""
    X, Y, V = X.double(), Y.double(), V.double()
    return torch.exp(-(torch.cdist(X, Y, compute_mode="donot_use_mm_for_euclid_dist") ** 2) / 2) @ V


def has_keops() -> bool:
    """Whether pykeops is installed; it is imported when it is used."""
    return importlib.util.find_spec("pykeops") is not None


def keops(X: Tensor, Y: Tensor, V: Tensor) -> Callable[[], Tensor]:
    """The same product through pykeops' generic reduction, compiled before it is timed."""
    from pykeops.torch import LazyTensor

    x, y = LazyTensor(X[:, None, :].contiguous()), LazyTensor(Y[None, :, :].contiguous())
    K = (-((x - y) ** 2).sum(-1) / 2).exp()
    return lambda: K @ V


def scikit(X: np.ndarray, Y: np.ndarray, V: np.ndarray) -> Callable[[], np.ndarray]:
    """scikit-learn's matrix and a product."""
    from sklearn.metrics.pairwise import rbf_kernel

    return lambda: rbf_kernel(X, Y, gamma=0.5) @ V
