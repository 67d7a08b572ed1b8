"""A Toeplitz matrix."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, broadcast_shapes, take_batch
from mercer.operators.circulant import circular_convolution
from mercer.operators.selection import transposed_tags


class Toeplitz(Operator):
    """The matrix that is constant along diagonals, multiplied by embedding in a circulant one.

    ``T[i, j]`` is ``column[i - j]`` on and below the diagonal and ``row[j - i]`` above it;
    ``row[0]`` is not read. A product costs ``O((n + m) log(n + m))``. bfloat16 and float16, which
    have no Fourier transform, are transformed in float32 and the product is rounded back.

    Parameters
    ----------
    column : Tensor, shape (*batch, n)
        The first column; any floating-point dtype.
    row : Tensor, shape (*batch, m), optional
        The first row, of the dtype and device of ``column``. ``column`` by default, and the
        operator is then tagged ``symmetric``.
    tags : iterable of str
        What is known besides, see :class:`Operator`.

    Examples
    --------
    >>> Toeplitz(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 4.0])).dense()
    tensor([[1., 4.],
            [2., 1.],
            [3., 2.]])

    References
    ----------
    Robert M. Gray, "Toeplitz and Circulant Matrices: A Review",
    https://ee.stanford.edu/~gray/toeplitz.pdf
    """

    def __init__(self, column: Tensor, row: Tensor | None = None, tags: Iterable[str] = ()) -> None:
        checks.floating("column", column)
        known = set(tags)
        if row is None or row is column:
            row = column
            known.add("symmetric")
        checks.floating("row", row)
        checks.alike("row", row, "column", column)
        if column.ndim == 0 or row.ndim == 0:
            raise ValueError("column and row must have shapes (*batch, n) and (*batch, m)")
        batch = broadcast_shapes(column.shape[:-1], row.shape[:-1])
        shape = (*batch, column.shape[-1], row.shape[-1])
        super().__init__(shape, column.dtype, column.device, known)
        self.column = column
        self.row = row

    def _lags(self) -> Tensor:
        """The values at lags ``i - j`` from ``1 - m`` to ``n - 1``: ``[*batch, m - 1 + n]``."""
        above = self.row[..., 1:].flip(-1).expand(*self.batch, -1)  # [*batch, m - 1]
        return torch.cat([above, self.column.expand(*self.batch, -1)], -1)

    def _matmul(self, V: Tensor) -> Tensor:
        lags = self._lags()
        L = fast_length(lags.shape[-1])
        # Lags 0, 1, ..., n - 1, a gap of zeros, then 1 - m, ..., -1 on a circle of length L.
        circle = torch.nn.functional.pad(lags, (0, L - lags.shape[-1]))
        circle = circle.roll(-max(self.m - 1, 0), -1)  # [*batch, L]
        return circular_convolution(circle, V)[..., : self.n, :]

    def _adjoint(self) -> Toeplitz:
        if self.n == 0 or self.m == 0:
            return Toeplitz(self.row, self.column, transposed_tags(self.tags))
        corner = self.column[..., :1].expand(*self.batch, 1)
        column = torch.cat([corner, self.row[..., 1:].expand(*self.batch, -1)], -1)
        return Toeplitz(column, self.column, transposed_tags(self.tags))

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return self._lags()[..., i - j + max(self.m - 1, 0)]

    def _take_batch(self, keys: Keys) -> Toeplitz:
        column = take_batch(self.column, 1, self.batch, keys)
        if self.row is self.column:
            return Toeplitz(column, tags=self.tags)
        return Toeplitz(column, take_batch(self.row, 1, self.batch, keys), self.tags)

    def dense(self) -> Tensor:
        """The matrix, read from its first column and row."""
        i = torch.arange(self.n, device=self.device)[:, None]
        j = torch.arange(self.m, device=self.device)
        return self._entries(*torch.broadcast_tensors(i, j))

    def diagonal(self) -> Tensor:
        """The corner, ``min(n, m)`` times."""
        return self.column[..., :1].expand(*self.batch, min(self.n, self.m))


def fast_length(least: int) -> int:
    """Return the smallest number of at least ``least`` whose prime factors are 2, 3 and 5.

    Fourier transforms of such lengths are fast.

    Examples
    --------
    >>> fast_length(17)
    18
    """
    best = 1 << max(least - 1, 0).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            rest = -(-least // three)
            best = min(best, three << max(rest - 1, 0).bit_length())
            three *= 3
        five *= 5
    return best
