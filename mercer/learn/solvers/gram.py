"""Gram matrices of many rows, at little more than half the price of the product."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

PANEL = 512  # columns computed at once; a share of PANEL / m of the other half is computed too


def gram(blocks: Iterable[Tensor], m: int, device: torch.device) -> Tensor:
    r"""The sum of :math:`\phi^T\phi` over blocks of rows: products in their dtype, sum in float64.

    Only panels on and above the diagonal are computed.

    Parameters
    ----------
    blocks : iterable of Tensor, shapes (b, m)
        Rows of :math:`\phi`.
    m : int
        Columns.
    device : torch.device
        Of the blocks.

    Returns
    -------
    Tensor of float64, shape (m, m)
        Symmetric to the last bit.

    Examples
    --------
    >>> gram([torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]])], 2, torch.device("cpu"))
    tensor([[1., 2.],
            [2., 5.]], dtype=torch.float64)
    """
    total = torch.zeros(m, m, dtype=torch.float64, device=device)
    for phi in blocks:
        for panel in _panels(m):
            rows = slice(0, panel.stop)
            total[rows, panel] += phi[:, rows].mT @ phi[:, panel]
    for panel in _panels(m):
        square = total[panel, panel]
        square.copy_(square.triu() + square.triu(1).mT)
        total[panel, : panel.start] = total[: panel.start, panel].mT
    return total


def _panels(m: int) -> Iterator[slice]:
    for start in range(0, m, PANEL):
        yield slice(start, min(start + PANEL, m))
