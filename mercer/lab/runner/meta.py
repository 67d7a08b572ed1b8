"""Where tensors lie in a shared region: shape, dtype and offset, as JSON carries them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

ALIGNMENT = 64  # bytes: a cache line, and what vector loads like


@dataclass(frozen=True)
class Meta:
    """A contiguous tensor in a region.

    Parameters
    ----------
    shape : tuple of int
    dtype : str
        As in ``"float32"``.
    offset : int
        Of the first byte.

    Examples
    --------
    >>> metas, end = arrange([torch.zeros(3), torch.zeros(2, dtype=torch.int64)])
    >>> metas[1].offset, end
    (64, 80)
    """

    shape: tuple[int, ...]
    dtype: str
    offset: int

    @property
    def bytes(self) -> int:
        """How many bytes the tensor takes."""
        return math.prod(self.shape) * self.torch_dtype.itemsize

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype that the name stands for."""
        dtype = getattr(torch, self.dtype, None)
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"dtype must be the name of one of torch's, got {self.dtype!r}")
        return dtype

    def json(self) -> dict[str, Any]:
        """Return what JSON carries."""
        return {"shape": list(self.shape), "dtype": self.dtype, "offset": self.offset}

    @classmethod
    def read(cls, record: dict[str, Any]) -> Meta:
        """Read what :meth:`json` wrote."""
        return cls(tuple(record["shape"]), record["dtype"], record["offset"])

    def view(self, region: Any) -> Tensor:
        """Return the tensor in a region (bytes or a tensor of them), without a copy."""
        if not isinstance(region, Tensor):
            if not self.bytes:
                return torch.empty(self.shape, dtype=self.torch_dtype)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # the worker only reads "in"
                region = torch.frombuffer(region, dtype=torch.uint8)
        return (
            region[self.offset : self.offset + self.bytes].view(self.torch_dtype).view(self.shape)
        )


def dtype_name(dtype: torch.dtype) -> str:
    """Return ``"float32"`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def arrange(tensors: Sequence[Tensor], start: int = 0) -> tuple[list[Meta], int]:
    """Lay tensors one after another from `start` on; return where, and where the last one ends."""
    metas, end = [], start
    for tensor in tensors:
        offset = -(-end // ALIGNMENT) * ALIGNMENT
        metas.append(Meta(tuple(tensor.shape), dtype_name(tensor.dtype), offset))
        end = offset + metas[-1].bytes
    return metas, end


def pack(region: Tensor, metas: Sequence[Meta], tensors: Sequence[Tensor]) -> None:
    """Write tensors to where they were arranged."""
    for meta, tensor in zip(metas, tensors, strict=True):
        meta.view(region).copy_(tensor.detach())
