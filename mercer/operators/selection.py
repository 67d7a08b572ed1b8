"""Selection: what may stand in ``A[rows, columns]`` and what is still known afterwards."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from mercer import checks

Index: TypeAlias = int | slice | Tensor
WHOLE = slice(None)


def as_index(key: Any, size: int, axis: str, device: torch.device) -> Index:
    """Bring one key to an ``int``, a ``slice`` of positive step, or a 1-D tensor of positions.

    Parameters
    ----------
    key : int, slice, sequence or Tensor of integers, or boolean mask
        What the caller wrote; negative positions count from the end.
    size : int
        Length of the axis.
    axis : str
        What an error calls the axis.
    device : torch.device
        Where a tensor of positions is to live.

    Returns
    -------
    int, slice or Tensor
        ``slice(None)`` stands for the whole axis.

    Raises
    ------
    IndexError
        If a position is out of range or a mask has the wrong length.
    TypeError
        If the key is none of these.

    Examples
    --------
    >>> as_index(-1, 5, "row", torch.device("cpu"))
    4
    >>> as_index(torch.tensor([True, False, True]), 3, "row", torch.device("cpu"))
    tensor([0, 2])
    """
    if isinstance(key, slice):
        return _as_slice(key, size, device)
    if getattr(key, "ndim", 0) or isinstance(key, Tensor) or not hasattr(key, "__index__"):
        return _as_positions(key, size, axis, device)
    if isinstance(key, bool):
        raise TypeError(f"a {axis} index must be an integer, a slice or a 1-D tensor, got {key}")
    position = operator.index(key)
    if not -size <= position < size:
        raise IndexError(f"{axis} index {position} is out of range for size {size}")
    return position % size


def positions(index: Tensor | slice, size: int, device: torch.device) -> Tensor:
    """Return the positions that ``index`` selects from an axis of length ``size``."""
    if isinstance(index, slice):
        return torch.arange(*index.indices(size), device=device)
    return index


def is_whole(index: Index) -> bool:
    """Whether ``index`` is the whole axis as it stands."""
    return isinstance(index, slice) and index == WHOLE


def same(rows: Tensor | slice, cols: Tensor | slice) -> bool:
    """Whether rows and columns are known to be the same selection."""
    if isinstance(rows, slice) or isinstance(cols, slice):
        return isinstance(rows, slice) and isinstance(cols, slice) and rows == cols
    if rows is cols:
        return True
    return checks.concrete(rows) and checks.concrete(cols) and torch.equal(rows, cols)


def selected_tags(
    tags: Iterable[str], rows: Tensor | slice, cols: Tensor | slice
) -> frozenset[str]:
    """Return the tags that survive when rows and columns are selected.

    A principal submatrix, repetitions included, stays symmetric and positive semidefinite; whole
    rows of a stochastic matrix still sum to one; equal slices keep a triangle.
    """
    kept = set()
    if same(rows, cols):
        kept |= {"symmetric", "psd"}
        if isinstance(rows, slice):
            kept |= {"lower_triangular", "upper_triangular"}
    if is_whole(cols):
        kept.add("stochastic")
    return frozenset(tags) & kept


def transposed_tags(tags: Iterable[str]) -> frozenset[str]:
    """Return the tags of the transpose."""
    turned = {"lower_triangular": "upper_triangular", "upper_triangular": "lower_triangular"}
    return frozenset(turned.get(tag, tag) for tag in tags if tag != "stochastic")


def _as_slice(key: slice, size: int, device: torch.device) -> slice | Tensor:
    start, stop, step = key.indices(size)
    if step < 0:
        return torch.arange(start, stop, step, device=device)
    return WHOLE if (start, stop, step) == (0, size, 1) else slice(start, max(start, stop), step)


def _as_positions(key: Any, size: int, axis: str, device: torch.device) -> int | Tensor:
    try:
        index = torch.as_tensor(key, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"a {axis} index must be an integer, a slice or a 1-D tensor, got {key!r}"
        ) from error
    if index.numel() == 0 and not isinstance(key, Tensor):
        index = index.long()
    if index.is_floating_point() or index.is_complex() or index.ndim > 1:
        raise TypeError(
            f"a {axis} index must be an integer, a slice or a 1-D tensor of integers or booleans, "
            f"got {index.dtype} of shape {tuple(index.shape)}"
        )
    if index.dtype == torch.bool:
        if index.shape != (size,):
            raise IndexError(f"a {axis} mask must have shape ({size},), got {tuple(index.shape)}")
        return index.nonzero().squeeze(-1)
    if index.ndim == 0:
        return as_index(int(index), size, axis, device)  # type: ignore[return-value]
    index = index.long()
    if checks.concrete(index) and index.numel():
        low, high = int(index.min()), int(index.max())
        if low < -size or high >= size:
            bad = low if low < -size else high
            raise IndexError(f"{axis} index {bad} is out of range for size {size}")
    return torch.where(index < 0, index + size, index)
