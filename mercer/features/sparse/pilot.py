"""A few rows of a Gaussian kernel matrix, for planning."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from mercer.kernels import RBF

# Numbers of one temporary.
_BUDGET = 2**22


class Pilot:
    """Entries of some rows of the kernel matrix of scaled points.

    Parameters
    ----------
    X, Y : Tensor, shapes (n, d) and (m, d)
        Queries and keys in lengthscales.
    rows : Tensor of int64, shape (r,)
        Which rows.

    Examples
    --------
    >>> pilot = Pilot(torch.zeros(4, 1), torch.tensor([[0.0], [1.0]]), torch.tensor([0, 2]))
    >>> pilot.pairs_within(0.5)  # two in the sample, four in the matrix
    4.0
    >>> pilot.light_squares(0.9)
    tensor([0.0000, 1.4715], dtype=torch.float64)
    """

    def __init__(self, X: Tensor, Y: Tensor, rows: Tensor) -> None:
        (self.n, self.d), self.m = X.shape, Y.shape[0]
        self.scale = self.n / max(1, rows.numel())
        self.distances = torch.cdist(X[rows], Y)  # [r, m]
        self.spread = float((Y - Y.mean(0)).square().sum(1).max()) if self.m else 0.0

    def light_squares(self, tau: float) -> Tensor:
        """Sums of squares of the entries below ``tau`` of each column, estimated: ``[m]``."""
        light = self._squares.masked_fill(self._squares >= tau**2, 0)
        return self.scale * light.sum(0, dtype=torch.float64)

    def pairs_within(self, radius: float) -> float:
        """Number of pairs within ``radius`` lengthscales, estimated."""
        return self.scale * float((self.distances <= radius).sum())

    @cached_property
    def _squares(self) -> Tensor:
        return self.distances.square().neg_().exp_()  # [r, m]

    @cached_property
    def histogram(self) -> tuple[Tensor, Tensor]:
        """Distances and numbers of pairs at them, ``[bins]`` each."""
        bins = 64
        flat = self.distances.flatten().double()
        low, high = flat.aminmax() if flat.numel() else (flat.new_zeros(()), flat.new_ones(()))
        step = ((high - low) / bins).clamp(min=1e-12)
        place = ((flat - low) / step).long().clamp(max=bins - 1)
        count = torch.bincount(place, minlength=bins).double()
        middle = low + step * (torch.arange(bins, device=flat.device) + 0.5)
        return middle, self.scale * count


def residual_squares(
    X: Tensor, Y: Tensor, found: Tensor, rows: Tensor, precision: str = "highest"
) -> Tensor:
    """Sums of squares of each column without the found entries, estimated from ``rows``.

    Parameters
    ----------
    X, Y : Tensor, shapes (n, d) and (m, d)
        Points in lengthscales.
    found : Tensor of int64, shape (2, pairs)
        Positions left out.
    rows : Tensor of int64, shape (r,)
        The rows to look at, drawn without replacement.
    precision : {"highest", "high", "medium"}
        See :func:`mercer.engine.reduce`.

    Returns
    -------
    Tensor of float64, shape (m,)
        ``n / r`` times the sums over these rows.

    Examples
    --------
    >>> X = torch.tensor([[0.0], [1.0]])
    >>> residual_squares(X, X, torch.tensor([[0, 1], [0, 1]]), torch.tensor([0, 1]))
    tensor([0.3679, 0.3679], dtype=torch.float64)
    """
    n, m = X.shape[0], Y.shape[0]
    total = torch.zeros(m, dtype=torch.float64, device=X.device)
    place = torch.full((n,), -1, dtype=torch.int64, device=X.device)
    place[rows] = torch.arange(rows.numel(), device=X.device)
    at, cols = place[found[0]], found[1]
    at, cols = at[at >= 0], cols[at >= 0]
    step = max(1, _BUDGET // max(1, m))
    for start in range(0, rows.numel(), step):
        squares = RBF()(X[rows[start : start + step]], Y, precision=precision).dense().square_()
        here = (at >= start) & (at < start + step)
        squares[at[here] - start, cols[here]] = 0
        total += squares.sum(0, dtype=torch.float64)
    return total * (n / max(1, rows.numel()))
