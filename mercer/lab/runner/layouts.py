"""The same numbers in memory in different ways: what strides and offsets a kernel must bear."""

from __future__ import annotations

import torch
from torch import Tensor

LAYOUTS = ("contiguous", "transposed", "strided", "offset")


def empty(shape: tuple[int, ...], dtype: torch.dtype, device: str, layout: str) -> Tensor:
    """Return a tensor of zeros in a layout.

    Parameters
    ----------
    shape : tuple of int
    dtype : torch.dtype
    device : str
    layout : {"contiguous", "transposed", "strided", "offset"}
        Row-major; the last two axes stored the other way round (of a vector: contiguous); the last
        axis with a stride of two; one entry behind where memory is aligned.

    Examples
    --------
    >>> empty((3, 4), torch.float32, "cpu", "transposed").stride()
    (1, 3)
    """
    if layout == "transposed" and len(shape) > 1:
        stored = (*shape[:-2], shape[-1], shape[-2])
        return torch.zeros(stored, dtype=dtype, device=device).mT
    if layout == "strided" and shape:
        stored = (*shape[:-1], 2 * shape[-1])
        return torch.zeros(stored, dtype=dtype, device=device)[..., ::2]
    if layout == "offset":
        count = torch.Size(shape).numel()
        return torch.zeros(count + 1, dtype=dtype, device=device)[1:].view(shape)
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    return torch.zeros(shape, dtype=dtype, device=device)
