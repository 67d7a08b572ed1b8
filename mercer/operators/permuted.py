"""Rows and columns of an operator, taken by index."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer.operators import selection
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, take_batch


class Permuted(Operator):
    """``A[rows, cols]``: a permutation, a selection, or a repetition of rows and columns.

    Parameters
    ----------
    operator : Operator, shape (*batch, n, m)
        ``A``.
    rows, cols : sequence or 1-D Tensor of int, or slice, or boolean mask, optional
        Positions in ``A``; all of them, in order, by default. They select independently.

    Raises
    ------
    IndexError
        If a position is out of range.

    Examples
    --------
    >>> from mercer.operators.dense import Dense
    >>> A = Dense(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    >>> Permuted(A, torch.tensor([1, 0, 1])).dense()
    tensor([[3., 4.],
            [1., 2.],
            [3., 4.]])
    """

    def __init__(self, operator: Operator, rows: Any = None, cols: Any = None) -> None:
        row_key = _vector(rows, operator.n, "row", operator)
        col_key = _vector(cols, operator.m, "column", operator)
        tags = selection.selected_tags(operator.tags, row_key, col_key)
        self.rows_taken = _positions(row_key, operator.n, operator)
        self.cols_taken = _positions(col_key, operator.m, operator)
        n = operator.n if self.rows_taken is None else self.rows_taken.shape[0]
        m = operator.m if self.cols_taken is None else self.cols_taken.shape[0]
        super().__init__((*operator.batch, n, m), operator.dtype, operator.device, tags)
        self.operator = operator

    def _matmul(self, V: Tensor) -> Tensor:
        if self.cols_taken is not None:
            spread = V.new_zeros(*V.shape[:-2], self.operator.m, V.shape[-1])
            V = spread.index_add(-2, self.cols_taken, V)  # repeated columns add up
        out = self.operator._matmul(V)
        return out if self.rows_taken is None else out.index_select(-2, self.rows_taken)

    def _adjoint(self) -> Permuted:
        return Permuted(self.operator.mT, self.cols_taken, self.rows_taken)

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        i = i if self.rows_taken is None else self.rows_taken[i]
        j = j if self.cols_taken is None else self.cols_taken[j]
        return self.operator._entries(i, j)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Operator:
        if self.rows_taken is not None:
            rows = self.rows_taken[rows]
        if self.cols_taken is not None:
            cols = self.cols_taken[cols]
        return self.operator._take(rows, cols)

    def _take_batch(self, keys: Keys) -> Permuted:
        operator = take_batch(self.operator, 2, self.batch, keys)
        return Permuted(operator, self.rows_taken, self.cols_taken)

    def dense(self) -> Tensor:
        """The selected rows and columns of the dense matrix."""
        matrix = self.operator.dense()
        if self.rows_taken is not None:
            matrix = matrix.index_select(-2, self.rows_taken)
        return matrix if self.cols_taken is None else matrix.index_select(-1, self.cols_taken)


def take(A: Operator, key: Any) -> Any:
    """Return ``A[key]``.

    Keys stand for the axes ``(*batch, row, column)`` in this order; ``...`` fills up with whole
    axes. A key is an int, a slice, a list or 1-D tensor of positions, or a 1-D boolean mask. Keys
    select independently of each other, as ``numpy.ix_`` does.

    Parameters
    ----------
    A : Operator, shape (*batch, n, m)
    key : int, slice, sequence, Tensor, Ellipsis, or a tuple of these

    Returns
    -------
    Operator or Tensor
        With ``*batch`` the batch that was kept: a tensor ``[*batch]`` for an int row and an int
        column, a tensor ``[*batch, m]`` or ``[*batch, n]`` for one int, else an operator.

    Raises
    ------
    IndexError
        If there are too many keys or a position is out of range.
    TypeError
        If a key is of another kind.

    Examples
    --------
    >>> from mercer.operators.dense import Dense
    >>> A = Dense(torch.arange(6.0).reshape(2, 3))
    >>> take(A, (1, 2)), take(A, 1), take(A, (slice(None), [0, 2])).dense()
    (tensor(5.), tensor([3., 4., 5.]), tensor([[0., 2.],
            [3., 5.]]))
    """
    names = [f"batch {axis}" for axis in range(len(A.batch))] + ["row", "column"]
    keys = [
        selection.as_index(k, size, name, A.device)
        for k, size, name in zip(_filled(key, len(A.shape)), A.shape, names)
    ]
    *batch, row, col = keys
    if not all(selection.is_whole(k) for k in batch):
        A = A._take_batch(tuple(batch))
    if isinstance(row, int) or isinstance(col, int):
        return _line(A, row, col)
    if selection.is_whole(row) and selection.is_whole(col):
        return A
    return A._take(row, col)


def _line(A: Operator, row: selection.Index, col: selection.Index) -> Tensor:
    """A row, a column, or, where both are ints, one entry."""
    i = _as_vector(row, A.n, A)
    j = _as_vector(col, A.m, A)
    entries = A._entries(*torch.broadcast_tensors(i, j))  # [*batch, length]
    both = isinstance(row, int) and isinstance(col, int)
    return entries.squeeze(-1) if both else entries


def _as_vector(key: selection.Index, size: int, A: Operator) -> Tensor:
    if isinstance(key, int):
        return torch.tensor([key], device=A.device)
    return selection.positions(key, size, A.device)


def _filled(key: Any, ndim: int) -> list[Any]:
    """One key for each axis."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(k is None for k in keys):
        raise TypeError("an operator cannot be indexed with None; it has no axis to add")
    dots = [place for place, k in enumerate(keys) if k is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index may hold one Ellipsis, got more")
    given = len(keys) - len(dots)
    if given > ndim:
        raise IndexError(f"the operator has {ndim} axes, got {given} indices")
    place = dots[0] if dots else given
    return keys[:place] + [slice(None)] * (ndim - given) + keys[place + 1 :]


def _vector(key: Any, size: int, axis: str, A: Operator) -> Tensor | slice:
    index = selection.as_index(selection.WHOLE if key is None else key, size, axis, A.device)
    if isinstance(index, int):
        raise TypeError(f"{axis}s must be a 1-D tensor or a slice, got the integer {index}")
    return index


def _positions(index: Tensor | slice, size: int, A: Operator) -> Tensor | None:
    whole = selection.is_whole(index)
    return None if whole else selection.positions(index, size, A.device)
