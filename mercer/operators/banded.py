"""A banded matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, take_batch


class Banded(Operator):
    """The matrix with a few nonzero diagonals.

    Storage is aligned by column: ``A[i, j] = diagonals[k, j]`` where ``j - i = offsets[k]``, so
    offset 0 is the main diagonal and 1 the one above it. With falling offsets ``u, ..., -l`` this
    is LAPACK's band storage, and it is the ``data`` of ``scipy.sparse.dia_array``. Elements that
    would lie outside the matrix are not read. A product costs one pass over each diagonal.

    Parameters
    ----------
    diagonals : Tensor, shape (*batch, k, m)
        One row for each offset; any floating-point dtype.
    offsets : sequence of int
        ``k`` distinct numbers.
    n : int, optional
        Number of rows, ``m`` by default.
    tags : iterable of str
        What is known besides, see :class:`Operator`.

    Examples
    --------
    >>> Banded(torch.tensor([[9.0, 1.0, 2.0], [3.0, 4.0, 5.0]]), [1, 0]).dense()
    tensor([[3., 1., 0.],
            [0., 4., 2.],
            [0., 0., 5.]])

    References
    ----------
    LAPACK Users' Guide, "Band Storage", https://www.netlib.org/lapack/lug/node124.html
    """

    def __init__(
        self,
        diagonals: Tensor,
        offsets: Sequence[int],
        n: int | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        checks.floating("diagonals", diagonals)
        offsets = tuple(int(offset) for offset in offsets)
        if diagonals.ndim < 2 or diagonals.shape[-2] != len(offsets):
            raise ValueError(
                f"diagonals must have shape (*batch, {len(offsets)}, m), one row for each offset, "
                f"got {tuple(diagonals.shape)}"
            )
        if len(set(offsets)) != len(offsets):
            raise ValueError(f"offsets must be distinct, got {list(offsets)}")
        m = diagonals.shape[-1]
        n = m if n is None else checks.count("n", n, least=0)
        known = set(tags)
        if all(offset <= 0 for offset in offsets):
            known.add("lower_triangular")
        if all(offset >= 0 for offset in offsets):
            known.add("upper_triangular")
        if set(offsets) <= {0} and n == m:
            known.add("symmetric")
        shape = (*diagonals.shape[:-2], n, m)
        super().__init__(shape, diagonals.dtype, diagonals.device, known)
        self.diagonals = diagonals
        self.offsets = offsets

    def _band(self, offset: int) -> tuple[int, int]:
        """First row of a diagonal and the row after its last, which may be before the first."""
        return max(0, -offset), max(0, -offset, min(self.n, self.m - offset))

    def _matmul(self, V: Tensor) -> Tensor:
        # A sum over no terms has the right shape and graph even without diagonals.
        out = V.new_zeros(*self.batch, self.n, 0) @ V[..., :0, :]  # [*batch, n, c]
        for k, offset in enumerate(self.offsets):
            start, stop = self._band(offset)
            if start < stop:
                columns = slice(start + offset, stop + offset)
                term = self.diagonals[..., k, columns, None] * V[..., columns, :]
                out = out + pad(term, (0, 0, start, self.n - stop))
        return out

    def _adjoint(self) -> Banded:
        rows = [self.diagonals.new_zeros(*self.batch, 0, self.n)]
        for k, offset in enumerate(self.offsets):
            start, stop = self._band(offset)
            inside = self.diagonals[..., k, min(start + offset, self.m) : max(stop + offset, 0)]
            if start >= stop:
                inside, start, stop = inside[..., :0], 0, 0
            rows.append(pad(inside, (start, self.n - stop))[..., None, :])
        return Banded(torch.cat(rows, -2), [-offset for offset in self.offsets], self.m)

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        out = self.diagonals.new_zeros(*self.batch, *i.shape)
        for k, offset in enumerate(self.offsets):
            values = self.diagonals[..., k, :][..., j]  # [*batch, *j.shape]
            out = out + torch.where(j - i == offset, values, torch.zeros_like(values))
        return out

    def _take_batch(self, keys: Keys) -> Banded:
        diagonals = take_batch(self.diagonals, 2, self.batch, keys)
        return Banded(diagonals, self.offsets, self.n, self.tags)

    def diagonal(self) -> Tensor:
        """The stored main diagonal, or zeros."""
        size = min(self.n, self.m)
        if 0 not in self.offsets:
            return self.diagonals.new_zeros(*self.batch, size)
        return self.diagonals[..., self.offsets.index(0), :size]
