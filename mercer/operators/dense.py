"""A matrix that is stored."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.batch import take_batch
from mercer.operators.selection import selected_tags, transposed_tags


class Dense(Operator):
    """A stored matrix seen as an operator.

    Parameters
    ----------
    matrix : Tensor, shape (*batch, n, m)
        Any floating-point dtype.
    tags : iterable of str
        What is known of the matrix, see :class:`Operator`.

    Examples
    --------
    >>> A = Dense(torch.tensor([[2.0, 1.0], [1.0, 3.0]]), tags={"symmetric", "psd"})
    >>> A @ torch.ones(2)
    tensor([3., 4.])
    """

    def __init__(self, matrix: Tensor, tags: Any = ()) -> None:
        checks.floating("matrix", matrix)
        super().__init__(matrix.shape, matrix.dtype, matrix.device, tags)
        self.matrix = matrix

    def _matmul(self, V: Tensor) -> Tensor:
        return self.matrix @ V

    def _adjoint(self) -> Dense:
        return Dense(self.matrix.mT, transposed_tags(self.tags))

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return self.matrix[..., i, j]

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Dense:
        return Dense(self.matrix[..., rows, :][..., cols], selected_tags(self.tags, rows, cols))

    def _take_batch(self, keys: tuple[int | slice | Tensor, ...]) -> Dense:
        return Dense(take_batch(self.matrix, 2, self.batch, keys), self.tags)

    def dense(self) -> Tensor:
        """The stored matrix."""
        return self.matrix

    def diagonal(self) -> Tensor:
        """The stored diagonal."""
        return torch.diagonal(self.matrix, dim1=-2, dim2=-1)
