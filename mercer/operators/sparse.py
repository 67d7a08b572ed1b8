"""A sparse matrix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.selection import transposed_tags
from mercer.operators.sparsity import SparseProduct, Sparsity


class Sparse(Operator):
    """A matrix of few nonzero entries, without batch.

    Entries are kept in compressed rows; entries at one position add up. A product costs
    ``O(nnz)``, and gradients flow to the values. bfloat16 and float16 are multiplied in float32
    and the product is rounded back.

    Parameters
    ----------
    indices : Tensor of int64, shape (2, nnz)
        Rows and columns.
    values : Tensor, shape (nnz,)
        Any floating-point dtype.
    shape : tuple of int
        ``(n, m)``.
    tags : iterable of str
        What is known besides, see :class:`Operator`; triangles are found from the positions.

    Examples
    --------
    >>> A = Sparse(torch.tensor([[0, 1], [1, 0]]), torch.tensor([2.0, 3.0]), (2, 2))
    >>> A @ torch.tensor([1.0, 10.0])
    tensor([20.,  3.])
    """

    def __init__(
        self,
        indices: Tensor,
        values: Tensor,
        shape: tuple[int, int],
        tags: Iterable[str] = (),
    ) -> None:
        checks.floating("values", values)
        n, m = _size(shape)
        indices = _positions(indices, values, n, m)
        keys = indices[0] * m + indices[1]
        keys, place = torch.unique(keys, return_inverse=True)  # sorted by row, then by column
        rows, cols = keys // max(m, 1), keys % max(m, 1)
        total = values.new_zeros(keys.shape[0]).index_add(0, place, values)
        self._assemble(Sparsity(rows, cols, n, m), total, tags)

    def _assemble(self, sparsity: Sparsity, values: Tensor, tags: Iterable[str]) -> None:
        shape = (sparsity.n, sparsity.m)
        super().__init__(shape, values.dtype, values.device, {*tags, *sparsity.triangles})
        self.sparsity = sparsity
        self.values = values

    @classmethod
    def from_tensor(cls, matrix: Tensor, tags: Iterable[str] = ()) -> Sparse:
        """Return the operator of a torch sparse matrix in any layout."""
        if matrix.layout == torch.strided or matrix.ndim != 2:
            raise ValueError(
                "matrix must be a sparse torch.Tensor of two dimensions, got "
                f"{matrix.layout} of shape {tuple(matrix.shape)}"
            )
        listed = matrix.to_sparse_coo().coalesce()
        n, m = matrix.shape
        return cls(listed.indices(), listed.values(), (n, m), tags)

    def _matmul(self, V: Tensor) -> Tensor:
        half = V.dtype in (torch.bfloat16, torch.float16)
        work = torch.float32 if half else V.dtype
        columns = V.movedim(-2, 0)  # [m, *batch, c]
        flat = columns.reshape(self.m, columns.shape[1:].numel())
        out = SparseProduct.apply(self.values.to(work), flat.to(work), self.sparsity)
        return out.to(V.dtype).reshape(self.n, *columns.shape[1:]).movedim(0, -2)

    def _adjoint(self) -> Sparse:
        transposed, order = self.sparsity.transposed
        adjoint = object.__new__(Sparse)
        adjoint._assemble(transposed, self.values[order], transposed_tags(self.tags))
        return adjoint

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        stored = self.sparsity.keys
        if stored.numel() == 0:
            return self.values.new_zeros(i.shape)
        keys = (i * self.m + j).contiguous()
        place = torch.searchsorted(stored, keys).clamp(max=stored.shape[0] - 1)
        found = self.values[place]
        return torch.where(stored[place] == keys, found, torch.zeros_like(found))

    def dense(self) -> Tensor:
        """The matrix with its zeros."""
        zeros = self.values.new_zeros(self.n, self.m)
        return zeros.index_put((self.sparsity.rows, self.sparsity.cols), self.values)


def _size(shape: Any) -> tuple[int, int]:
    if len(shape) != 2:
        raise ValueError(f"shape must be (n, m), a sparse operator has no batch, got {shape}")
    return checks.count("n", shape[0], least=0), checks.count("m", shape[1], least=0)


def _positions(indices: Tensor, values: Tensor, n: int, m: int) -> Tensor:
    if values.ndim != 1 or indices.shape != (2, values.shape[0]):
        raise ValueError(
            "indices and values must have shapes (2, nnz) and (nnz,), got "
            f"{tuple(indices.shape)} and {tuple(values.shape)}"
        )
    if indices.dtype != torch.int64:
        raise TypeError(f"indices must be int64, got {indices.dtype}")
    if indices.device != values.device:
        raise ValueError(
            f"indices are on {indices.device} but values are on {values.device}; move one of them"
        )
    sizes = torch.tensor([[n], [m]], device=indices.device)
    if bool(((indices < 0) | (indices >= sizes)).any()):
        raise IndexError(f"indices must lie inside {n} x {m}, counted from 0")
    return indices
