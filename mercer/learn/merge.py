"""Rows of a table brought into one order, repeated rows into one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Merged(NamedTuple):
    """Distinct points with the weighted mean of their targets and the sum of their weights."""

    X: Tensor  # [u, d]
    Y: Tensor  # [u, c]
    weights: Tensor  # [u]


def merge_repeated(X: Tensor, Y: Tensor, weights: Tensor) -> Merged:
    r"""Merge rows with equal points; the order of the answer depends on the set of rows only.

    The objective :math:`\sum_i w_i |y_i - f(x_i)|^2` changes by a constant. So a whole weight is
    the same as copies of a row, the order of rows does not matter, and leaving one row out
    leaves out all that is known at its point.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Points.
    Y : Tensor, shape (n, c)
        Targets.
    weights : Tensor, shape (n,)
        At least 0; rows of weight 0 are dropped.

    Returns
    -------
    Merged

    Examples
    --------
    >>> X, Y = torch.tensor([[1.0], [2.0], [1.0]]), torch.tensor([[0.0], [5.0], [3.0]])
    >>> merged = merge_repeated(X, Y, torch.tensor([1.0, 1.0, 2.0]))
    >>> sorted(zip(merged.X[:, 0].tolist(), merged.Y[:, 0].tolist(), merged.weights.tolist()))
    [(1.0, 2.0, 3.0), (2.0, 5.0, 1.0)]
    """
    used = weights > 0
    X, Y, weights = X[used], Y[used], weights[used]
    keys = _row_keys(X)
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]])
    if len(starts) == len(keys):
        index = torch.from_numpy(order).to(X.device)
        return Merged(X[index], Y[index], weights[index])
    group = np.empty(len(keys), dtype=np.int64)
    group[order] = np.cumsum(np.isin(np.arange(len(keys)), starts)) - 1
    first = torch.from_numpy(order[starts]).to(X.device)  # [u]
    member = torch.from_numpy(group).to(X.device)  # [n]
    if not torch.equal(X, X[first][member]):
        raise RuntimeError("two different rows of X have the same 64-bit key; permute the columns")
    total = weights.new_zeros(len(first)).index_add_(0, member, weights)
    # Relative to one member, so that equal targets stay equal to the last bit.
    apart = weights[:, None] * (Y - Y[first][member])
    offset = Y.new_zeros(len(first), Y.shape[1]).index_add_(0, member, apart)
    return Merged(X[first], Y[first] + offset / total[:, None], total)


def _row_keys(X: Tensor) -> np.ndarray:
    """A 64-bit key for each row, from the bits of its numbers."""
    points = np.ascontiguousarray((X + 0.0).cpu().numpy())  # -0.0 becomes 0.0
    bits = points.view(f"u{points.itemsize}").astype(np.uint64)
    keys = np.full(len(points), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in bits.T:
        keys = (keys ^ column) * np.uint64(0xFF51AFD7ED558CCD)  # mixing constants of MurmurHash3
        keys ^= keys >> np.uint64(32)
        keys = keys * np.uint64(0xC4CEB9FE1A85EC53)
        keys ^= keys >> np.uint64(29)
    return keys
