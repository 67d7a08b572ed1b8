"""Batches: how the leading dimensions of an operator's parts broadcast and are indexed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator

Part = TypeVar("Part", Tensor, Operator)
Keys = tuple[int | slice | Tensor, ...]


def broadcast_batch(parts: Sequence[Operator], name: str = "part") -> torch.Size:
    """Return the common batch shape of operators of one dtype and device.

    Parameters
    ----------
    parts : sequence of Operator
        At least one.
    name : str
        What an error calls a part.

    Returns
    -------
    torch.Size
        The broadcast of the parts' batch shapes.

    Raises
    ------
    TypeError, ValueError
        If dtypes or devices differ, or the batches do not broadcast.

    Examples
    --------
    >>> from mercer.operators.dense import Dense
    >>> broadcast_batch([Dense(torch.ones(5, 1, 2, 2)), Dense(torch.ones(3, 2, 2))])
    torch.Size([5, 3])
    """
    others: Sequence[Any] = parts[1:]
    for position, part in enumerate(others, start=2):
        checks.alike(f"{name} {position}", part, f"{name} 1", parts[0])
    return broadcast_shapes(*(part.batch for part in parts))


def broadcast_shapes(*batches: torch.Size) -> torch.Size:
    """Return the broadcast of batch shapes, or raise ``ValueError`` that lists them."""
    if all(batch == batches[0] for batch in batches):
        return batches[0]
    try:
        return torch.broadcast_shapes(*batches)
    except RuntimeError as error:
        found = " and ".join(str(tuple(batch)) for batch in batches)
        raise ValueError(f"batch shapes must broadcast, got {found}") from error


def take_batch(part: Part, core: int, batch: torch.Size, keys: Keys) -> Part:
    """Index the batch of a part as the batch of the whole is indexed.

    The part may lack leading batch axes of the whole, or have size one where the whole is larger;
    it then stays as it is along those axes and still broadcasts.

    Parameters
    ----------
    part : Tensor or Operator
        With batch shape broadcastable to ``batch``.
    core : int
        How many trailing dimensions of a tensor are not batch; an operator has two.
    batch : torch.Size
        The batch shape of the whole.
    keys : tuple of int, slice or 1-D index Tensor
        One for each axis of ``batch``; they select independently of each other.

    Returns
    -------
    Tensor or Operator
        The part that belongs to the selected batch.

    Examples
    --------
    >>> take_batch(torch.tensor([[1.0], [2.0]]), 1, torch.Size([2]), (1,))
    tensor([2.])
    """
    own = part.shape[: len(part.shape) - core]
    if not own:
        return part
    skip = len(batch) - len(own)
    keys = tuple(
        _broadcast_key(key) if size == 1 and whole != 1 else key
        for key, size, whole in zip(keys[skip:], own, batch[skip:])
    )
    if isinstance(part, Operator):
        return part._take_batch(keys)
    axis = 0
    for key in keys:
        part = part[(slice(None),) * axis + (key,)]
        axis += not isinstance(key, int)
    return part


def _broadcast_key(key: int | slice | Tensor) -> int | slice:
    """The key along an axis of size one that stands for every element of the whole."""
    return 0 if isinstance(key, int) else slice(None)
