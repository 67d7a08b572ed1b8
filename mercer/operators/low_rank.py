"""A matrix of low rank, given by its factors."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, broadcast_shapes, take_batch
from mercer.operators.selection import same, selected_tags, transposed_tags


class LowRank(Operator):
    """``A Bᵀ``, or ``A Aᵀ`` where ``B`` is left out.

    A product costs ``O((n + m) r)``. ``A Aᵀ`` is tagged ``symmetric`` and ``psd``.

    Parameters
    ----------
    A : Tensor, shape (*batch, n, r)
        Any floating-point dtype.
    B : Tensor, shape (*batch, m, r), optional
        Of the dtype and device of ``A``; ``A`` by default.
    tags : iterable of str
        What is known besides, see :class:`Operator`.

    Examples
    --------
    >>> LowRank(torch.tensor([[1.0], [2.0]])).dense()
    tensor([[1., 2.],
            [2., 4.]])
    """

    def __init__(self, A: Tensor, B: Tensor | None = None, tags: Iterable[str] = ()) -> None:
        checks.floating("A", A)
        known = set(tags)
        if B is None or B is A:
            B = A
            known |= {"symmetric", "psd"}
        checks.floating("B", B)
        checks.alike("B", B, "A", A)
        if A.ndim < 2 or B.ndim < 2 or A.shape[-1] != B.shape[-1]:
            raise ValueError(
                "A and B must have shapes (*batch, n, r) and (*batch, m, r), got "
                f"{tuple(A.shape)} and {tuple(B.shape)}"
            )
        batch = broadcast_shapes(A.shape[:-2], B.shape[:-2])
        super().__init__((*batch, A.shape[-2], B.shape[-2]), A.dtype, A.device, known)
        self.A = A
        self.B = B

    @property
    def rank(self) -> int:
        """Number of columns of the factors, an upper bound of the rank."""
        return self.A.shape[-1]

    def _matmul(self, V: Tensor) -> Tensor:
        return self.A @ (self.B.mT @ V)

    def _adjoint(self) -> LowRank:
        return LowRank(self.B, self.A, transposed_tags(self.tags))

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return (self.A[..., i, :] * self.B[..., j, :]).sum(-1)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> LowRank:
        A = self.A[..., rows, :]
        if self.A is self.B and same(rows, cols):
            return LowRank(A)
        return LowRank(A, self.B[..., cols, :], selected_tags(self.tags, rows, cols))

    def _take_batch(self, keys: Keys) -> LowRank:
        A = take_batch(self.A, 2, self.batch, keys)
        if self.A is self.B:
            return LowRank(A, tags=self.tags)
        return LowRank(A, take_batch(self.B, 2, self.batch, keys), self.tags)

    def dense(self) -> Tensor:
        """The product of the factors."""
        return self.A @ self.B.mT

    def diagonal(self) -> Tensor:
        """The row-wise inner products of the factors."""
        k = min(self.n, self.m)
        return torch.einsum("...ir,...ir->...i", self.A[..., :k, :], self.B[..., :k, :])
