"""Shuffled batches of a table that is in memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor, Tensor]


def shuffled_batches(
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    *,
    generator: torch.Generator,
    weights: Tensor | None = None,
) -> Iterator[Batch]:
    """Yield every row once, in random order; with weights, rows drawn in proportion to them.

    Parameters
    ----------
    X, Y : Tensor, shapes (n, d) and (n, c)
        The table; batches are of the same device.
    batch_size : int, at least 1
        Rows in a batch; the last may be smaller.
    generator : torch.Generator
        Source of the order, on the CPU; read when the first batch is asked for.
    weights : Tensor, shape (n,), at least 0, optional
        How much each row counts.

    Yields
    ------
    tuple of Tensor
        ``(X[rows], Y[rows], rows)``.

    Examples
    --------
    >>> table = torch.arange(5.0)[:, None]
    >>> parts = shuffled_batches(table, table, 2, generator=torch.Generator().manual_seed(0))
    >>> [len(rows) for _, _, rows in parts]
    [2, 2, 1]
    """
    n = len(X)
    if weights is None:
        order = torch.randperm(n, generator=generator)
    else:
        total = weights.detach().to("cpu", torch.float64).cumsum(0)
        u = torch.rand(n, dtype=torch.float64, generator=generator) * total[-1]
        order = torch.searchsorted(total, u, right=True).clamp_max(n - 1)
    for rows in order.to(X.device).split(batch_size):
        yield X[rows], Y[rows], rows
