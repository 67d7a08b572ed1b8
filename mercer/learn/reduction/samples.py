"""Distributions that are known by samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mercer import checks

Samples = Tensor | list[Tensor]
"""``[n, m, d]``, or ``n`` tensors ``[m_i, d]`` where sizes differ."""


def read_samples(name: str, value: Any) -> Samples:
    """Read ``n`` samples, of one size or not.

    Parameters
    ----------
    name : str
        Of the argument, for errors.
    value : Tensor or array, shape (n, m) or (n, m, d), or sequence of n, shape (m_i,) or (m_i, d)
        Row ``i`` or item ``i`` is a sample of distribution ``i``; without ``d``, of numbers.

    Returns
    -------
    Tensor, shape (n, m, d), or list of n Tensors, shape (m_i, d)
        In float32 or float64 as they came; other number types become float64.

    Raises
    ------
    TypeError, ValueError
        If samples are empty, of different dimension, or not finite numbers.

    Examples
    --------
    >>> read_samples("X", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).shape
    torch.Size([2, 3, 1])
    >>> [sample.shape[0] for sample in read_samples("X", [[1.0, 2.0, 3.0], [4.0]])]
    [3, 1]
    """
    if isinstance(value, (list, tuple)):
        items = [_tensor(f"{name}[{i}]", item) for i, item in enumerate(value)]
        items = [item[:, None] if item.ndim == 1 else item for item in items]
        for i, item in enumerate(items):
            _check(f"{name}[{i}]", item, "(m,) or (m, d)", 2)
            if item.shape[1] != items[0].shape[1]:
                raise ValueError(
                    f"{name}[{i}] has {item.shape[1]} coordinates but {name}[0] has "
                    f"{items[0].shape[1]}"
                )
        if not items:
            raise ValueError(f"{name} must hold at least 1 sample, got none")
        alike = all(len(item) == len(items[0]) for item in items)
        return torch.stack(items) if alike else items
    tensor = _tensor(name, value)
    return _check(name, tensor[..., None] if tensor.ndim == 2 else tensor, "(n, m) or (n, m, d)", 3)


def of_each(samples: Samples, embed: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply ``[..., m, d] -> [..., q]`` to every sample and stack: ``[n, q]``."""
    if isinstance(samples, Tensor):
        return embed(samples)
    return torch.stack([embed(sample) for sample in samples])


def size(samples: Samples) -> int:
    """The largest number of points in a sample."""
    return samples.shape[1] if isinstance(samples, Tensor) else max(len(s) for s in samples)


def quantiles(points: Tensor, levels: int) -> Tensor:
    r"""Empirical quantiles at the levels :math:`(j - 1/2) / L`: ``[..., m, d] -> [..., L, d]``.

    The quantile at ``t`` is the order statistic of rank :math:`\lceil m t \rceil`; where ``L`` is a
    multiple of ``m``, these midpoints represent the step function without error.
    """
    m = points.shape[-2]
    j = torch.arange(1, levels + 1, device=points.device)
    rank = (m * (2 * j - 1) + 2 * levels - 1) // (2 * levels)  # the ceiling, in whole numbers
    return points.sort(dim=-2).values.index_select(-2, rank - 1)


def _tensor(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        tensor = value.detach()
    else:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name} must hold numbers, got {array.dtype}")
        tensor = torch.from_numpy(np.array(array))
    if tensor.is_complex():
        raise TypeError(f"{name} must hold real numbers, got {tensor.dtype}")
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.double()


def _check(name: str, tensor: Tensor, shape: str, ndim: int) -> Tensor:
    if tensor.ndim != ndim or 0 in tensor.shape:
        raise ValueError(
            f"{name} must have shape {shape} and no empty axis, got {tuple(tensor.shape)}"
        )
    return checks.finite(name, tensor)
