"""An operator whose rows are divided by their sums."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, take_batch
from mercer.operators.diagonal import Diagonal
from mercer.operators.product import Product
from mercer.operators.selection import is_whole


class Normalised(Operator):
    """``D⁻¹ A`` with ``D`` the row sums of ``A``: a stochastic matrix.

    The row sums are computed here, by one product with ``A``. The caller vouches that no entry of
    ``A`` is negative; only the row sums are checked.

    Parameters
    ----------
    operator : Operator, shape (*batch, n, m)
        ``A``; no entry negative, every row sum above zero.

    Raises
    ------
    ValueError
        If a row sum is not positive.

    Examples
    --------
    >>> from mercer.operators.dense import Dense
    >>> Normalised(Dense(torch.tensor([[1.0, 3.0], [2.0, 2.0]]))).dense()
    tensor([[0.2500, 0.7500],
            [0.5000, 0.5000]])
    """

    def __init__(self, operator: Operator) -> None:
        ones = torch.ones(operator.m, 1, dtype=operator.dtype, device=operator.device)
        self.operator = operator
        self.sums = operator._matmul(ones).squeeze(-1)  # [*batch, n]
        checks.positive("every row sum of the operator", self.sums)
        tags = operator.tags & {"lower_triangular", "upper_triangular"} | {"stochastic"}
        super().__init__(operator.shape, operator.dtype, operator.device, tags)

    def _matmul(self, V: Tensor) -> Tensor:
        return self.operator._matmul(V) / self.sums[..., None]

    def _adjoint(self) -> Product:
        return Product(self.operator.mT, Diagonal(self.sums.reciprocal()))

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return self.operator._entries(i, j) / self.sums[..., i]

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Operator:
        if is_whole(cols):
            return self._rebuilt(self.operator._take(rows, cols), self.sums[..., rows])
        return super()._take(rows, cols)

    def _take_batch(self, keys: Keys) -> Normalised:
        operator = take_batch(self.operator, 2, self.batch, keys)
        return self._rebuilt(operator, take_batch(self.sums, 1, self.batch, keys))

    def _rebuilt(self, operator: Operator, sums: Tensor) -> Normalised:
        """The same with part of the operator and the sums that belong to it."""
        part = object.__new__(Normalised)
        part.operator, part.sums = operator, sums
        tags = operator.tags & {"lower_triangular", "upper_triangular"} | {"stochastic"}
        Operator.__init__(part, operator.shape, operator.dtype, operator.device, tags)
        return part

    def dense(self) -> Tensor:
        """The dense matrix divided by its row sums."""
        return self.operator.dense() / self.sums[..., None]
