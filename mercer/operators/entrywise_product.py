"""The entrywise (Schur) product of operators."""

from __future__ import annotations

from torch import Tensor

from mercer.operators.base import Operator
from mercer.operators.batch import Keys, broadcast_batch, take_batch
from mercer.operators.by_rows import ByRows


class EntrywiseProduct(ByRows):
    """``A_ij B_ij``, a block of rows at a time.

    Symmetric where both factors are, and by Schur's theorem positive semidefinite where both are.

    Parameters
    ----------
    A, B : Operator, shape (*batch, n, m)
        Of one size, dtype and device; the batches broadcast.

    Examples
    --------
    >>> import torch
    >>> from mercer.operators.dense import Dense
    >>> EntrywiseProduct(Dense(torch.eye(2)), Dense(torch.full((2, 2), 3.0))).dense()
    tensor([[3., 0.],
            [0., 3.]])
    """

    def __init__(self, A: Operator, B: Operator) -> None:
        if A.shape[-2:] != B.shape[-2:]:
            raise ValueError(
                "operators in an entrywise product must have the same rows and columns, got "
                f"{A.n} x {A.m} and {B.n} x {B.m}"
            )
        batch = broadcast_batch([A, B], "factor")
        triangles = (A.tags | B.tags) & {"lower_triangular", "upper_triangular"}
        tags = (A.tags & B.tags & {"symmetric", "psd"}) | triangles
        super().__init__((*batch, A.n, A.m), A.dtype, A.device, tags)
        self.A, self.B = A, B

    def _adjoint(self) -> EntrywiseProduct:
        return EntrywiseProduct(self.A.mT, self.B.mT)

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return self.A._entries(i, j) * self.B._entries(i, j)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> EntrywiseProduct:
        return EntrywiseProduct(self.A._take(rows, cols), self.B._take(rows, cols))

    def _take_batch(self, keys: Keys) -> EntrywiseProduct:
        A, B = (take_batch(part, 2, self.batch, keys) for part in (self.A, self.B))
        return EntrywiseProduct(A, B)

    def dense(self) -> Tensor:
        """The product of the entries."""
        return self.A.dense() * self.B.dense()

    def diagonal(self) -> Tensor:
        """The product of the diagonals."""
        return self.A.diagonal() * self.B.diagonal()
