"""Which pairs (i, j) take part."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Band:
    """The pairs with ``lower <= j - i <= upper``; ``None`` leaves a side open.

    ``Band(upper=0)`` is causal: row i sees columns up to i.

    Examples
    --------
    >>> Band(-1, 0).allows(torch.arange(3)[:, None], torch.arange(3)).int()
    tensor([[1, 0, 0],
            [1, 1, 0],
            [0, 1, 1]], dtype=torch.int32)
    """

    lower: int | None = None
    upper: int | None = None

    def allows(self, i: Tensor, j: Tensor) -> Tensor:
        """Whether each pair takes part, as a boolean tensor."""
        offset = j - i
        allowed = torch.ones_like(offset, dtype=torch.bool)
        if self.lower is not None:
            allowed &= offset >= self.lower
        if self.upper is not None:
            allowed &= offset <= self.upper
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
        return "all" if low_inside and high_inside else "some"

    @property
    def transposed(self) -> Band:
        """The band of the transposed matrix."""
        negate = lambda a: None if a is None else -a  # noqa: E731
        return Band(negate(self.upper), negate(self.lower))
