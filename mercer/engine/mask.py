"""Which pairs (i, j) take part."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Mask:
    """The pairs with ``lower <= j - i <= upper`` that lie in blocks which are allowed.

    ``Mask(upper=0)`` is causal: row i sees columns up to i.

    Parameters
    ----------
    lower, upper : int, optional
        The band; None leaves a side open.
    blocks : Tensor of bool, shape (ceil(n / size), ceil(m / size)), optional
        Whether the block of ``size x size`` pairs takes part; the same for every batch.
    size : int
        Positive.

    Examples
    --------
    >>> Mask(-1, 0).allows(torch.arange(3)[:, None], torch.arange(3)).int()
    tensor([[1, 0, 0],
            [1, 1, 0],
            [0, 1, 1]], dtype=torch.int32)
    >>> diagonal = Mask(blocks=torch.eye(2).bool(), size=2)
    >>> diagonal.allows(torch.arange(3)[:, None], torch.arange(3)).int()
    tensor([[1, 1, 0],
            [1, 1, 0],
            [0, 0, 1]], dtype=torch.int32)
    """

    lower: int | None = None
    upper: int | None = None
    blocks: Tensor | None = None
    size: int = 1

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be a positive whole number, got {self.size}")
        if self.blocks is not None and (self.blocks.dtype != torch.bool or self.blocks.ndim != 2):
            got = f"{self.blocks.dtype} of shape {tuple(self.blocks.shape)}"
            raise TypeError(f"blocks must be a boolean matrix, got {got}")

    @property
    def everything(self) -> bool:
        """Whether every pair takes part."""
        return self.lower is None and self.upper is None and self.blocks is None

    def check(self, n: int, m: int) -> None:
        """Refuse blocks that do not cover an ``n x m`` matrix."""
        if self.blocks is None:
            return
        needed = (-(-n // self.size), -(-m // self.size))
        if tuple(self.blocks.shape) != needed:
            raise ValueError(
                f"blocks of size {self.size} for a {n} x {m} matrix must have shape {needed}, "
                f"got {tuple(self.blocks.shape)}"
            )

    def to(self, device: torch.device) -> Mask:
        """The mask with its blocks on a device."""
        return self if self.blocks is None else replace(self, blocks=self.blocks.to(device))

    def allows(self, i: Tensor, j: Tensor) -> Tensor:
        """Whether each pair takes part, as a boolean tensor."""
        offset = j - i
        allowed = torch.ones_like(offset, dtype=torch.bool)
        if self.lower is not None:
            allowed &= offset >= self.lower
        if self.upper is not None:
            allowed &= offset <= self.upper
        if self.blocks is not None:
            allowed &= self.blocks.to(i.device)[i // self.size, j // self.size]
        return allowed

    def of_tile(self, rows: range, columns: range) -> str:
        """How much of a tile takes part: ``none``, ``all`` or ``some``."""
        least, most = columns[0] - rows[-1], columns[-1] - rows[0]
        below = self.lower is not None and most < self.lower
        above = self.upper is not None and least > self.upper
        if below or above:
            return "none"
        low_inside = self.lower is None or least >= self.lower
        high_inside = self.upper is None or most <= self.upper
        whole = low_inside and high_inside
        if self.blocks is not None:
            s = self.size
            part = self.blocks[
                rows[0] // s : rows[-1] // s + 1, columns[0] // s : columns[-1] // s + 1
            ]
            if not bool(part.any()):
                return "none"
            whole = whole and bool(part.all())
        return "all" if whole else "some"

    @property
    def transposed(self) -> Mask:
        """The mask of the transposed matrix."""
        lower = None if self.upper is None else -self.upper
        upper = None if self.lower is None else -self.lower
        return Mask(lower, upper, None if self.blocks is None else self.blocks.mT, self.size)
