"""Shift and scale of columns."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """``(x - centre) / scale``, without parameters.

    Parameters
    ----------
    centre, scale : Tensor, shape (d,)
        In the units of the columns; scales are not zero.

    Examples
    --------
    >>> Standardise(*moments(torch.tensor([[1.0], [3.0]])))(torch.tensor([[5.0]]))
    tensor([[3.]])
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, centre: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        """``[*, d] -> [*, d]``."""
        return (x - self.centre) / self.scale


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the columns, ``[d]`` each; one for a deviation that is rounding."""
    centre = values.mean(0)
    scale = (values - centre).square().mean(0).sqrt()
    tiny = 10 * torch.finfo(values.dtype).eps * values.abs().amax(0)
    return centre, torch.where(scale > tiny, scale, 1.0)
