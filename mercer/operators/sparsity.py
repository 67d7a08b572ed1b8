"""Where the nonzero entries of a sparse matrix stand, and products with them."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


class Sparsity:
    """Distinct positions in an ``n x m`` matrix, sorted by row and then by column.

    Parameters
    ----------
    rows, cols : Tensor of int64, shape (nnz,)
        The positions.
    n, m : int
        Size of the matrix.

    Examples
    --------
    >>> Sparsity(torch.tensor([0, 1]), torch.tensor([1, 1]), 2, 2).starts
    tensor([0, 1, 2])
    """

    def __init__(self, rows: Tensor, cols: Tensor, n: int, m: int) -> None:
        self.rows, self.cols, self.n, self.m = rows, cols, n, m
        counts = torch.bincount(rows, minlength=n)
        self.starts = torch.nn.functional.pad(counts.cumsum(0), (1, 0))  # [n + 1]
        with warnings.catch_warnings():
            # torch announces once in a process that compressed rows are in beta.
            warnings.simplefilter("ignore", UserWarning)
            self.matrix(torch.ones(rows.shape[0], device=rows.device))

    def matrix(self, values: Tensor) -> Tensor:
        """The matrix in compressed rows with ``values``, of shape ``(nnz,)``, in it."""
        return torch.sparse_csr_tensor(
            self.starts, self.cols, values, (self.n, self.m), check_invariants=False
        )

    @cached_property
    def keys(self) -> Tensor:
        """The positions counted row by row, ``[nnz]``, rising."""
        return self.rows * self.m + self.cols

    @cached_property
    def triangles(self) -> frozenset[str]:
        """The tags of the triangles that hold every position."""
        tags = set()
        if bool((self.rows >= self.cols).all()):
            tags.add("lower_triangular")
        if bool((self.rows <= self.cols).all()):
            tags.add("upper_triangular")
        return frozenset(tags)

    @cached_property
    def transposed(self) -> tuple[Sparsity, Tensor]:
        """The positions of the transpose, and the order that brings the values there."""
        order = (self.cols * self.n + self.rows).argsort()
        return Sparsity(self.cols[order], self.rows[order], self.m, self.n), order


class SparseProduct(torch.autograd.Function):
    """``(values, V) -> A V`` with ``A`` in compressed rows; differentiable any number of times."""

    @staticmethod
    def forward(values: Tensor, V: Tensor, sparsity: Sparsity) -> Tensor:
        """``[nnz], [m, c] -> [n, c]``."""
        return sparsity.matrix(values) @ V

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep the operands."""
        values, V, ctx.sparsity = inputs
        ctx.save_for_backward(values, V)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """``dV = Aᵀ G``; ``d values`` is ``G Vᵀ`` at the positions."""
        values, V = ctx.saved_tensors
        d_values = d_V = None
        if ctx.needs_input_grad[0]:
            d_values = (gradient[ctx.sparsity.rows] * V[ctx.sparsity.cols]).sum(-1)  # [nnz]
        if ctx.needs_input_grad[1]:
            transposed, order = ctx.sparsity.transposed
            d_V = SparseProduct.apply(values[order], gradient, transposed)
        return d_values, d_V, None

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, values: Tensor, V: Tensor, sparsity: Sparsity
    ) -> tuple[Tensor, int]:
        """A batch of right-hand sides becomes more columns; a batch of values is gathered."""
        values_dim, V_dim, _ = in_dims
        if values_dim is None:
            folded = V.movedim(V_dim, -1).flatten(-2)  # [m, c * size]
            out = SparseProduct.apply(values, folded, sparsity)
            return out.unflatten(-1, (-1, info.batch_size)), 2
        values = values.movedim(values_dim, 0)
        V = V.expand(1, *V.shape) if V_dim is None else V.movedim(V_dim, 0)
        terms = values[..., None] * V[:, sparsity.cols]  # [size, nnz, c]
        out = terms.new_zeros(info.batch_size, sparsity.n, V.shape[-1])
        return out.index_add(1, sparsity.rows, terms), 0
