"""The lower triangle of a low-rank matrix, by prefix sums over chunks."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, broadcast_shapes, take_batch

CHUNK = 256  # rows whose own triangle is formed


class CausalLowRank(Operator):
    """``tril(A Bᵀ)``, or ``triu(A Bᵀ)``: row i sees the columns up to i, or from i on.

    A product costs ``O(n r)`` for each column; what is held is ``r`` numbers of the rows before and
    the triangle of one chunk.

    Parameters
    ----------
    A, B : Tensor, shape (*batch, n, r)
        Of one floating-point dtype and device.
    upper : bool
        Which triangle.

    Examples
    --------
    >>> A = torch.tensor([[1.0], [2.0]])
    >>> CausalLowRank(A, A).dense()
    tensor([[1., 0.],
            [2., 4.]])
    """

    def __init__(self, A: Tensor, B: Tensor, *, upper: bool = False) -> None:
        checks.floating("A", A)
        checks.floating("B", B)
        checks.alike("B", B, "A", A)
        if A.ndim < 2 or B.ndim < 2 or A.shape[-2:] != B.shape[-2:]:
            raise ValueError(
                f"A and B must have shape (*batch, n, r), got {tuple(A.shape)} and {tuple(B.shape)}"
            )
        batch = broadcast_shapes(A.shape[:-2], B.shape[:-2])
        tags = {"upper_triangular"} if upper else {"lower_triangular"}
        super().__init__((*batch, A.shape[-2], A.shape[-2]), A.dtype, A.device, tags)
        self.A, self.B, self.upper = A, B, upper

    def _matmul(self, V: Tensor) -> Tensor:
        if self.upper:
            return _prefix_product(self.A.flip(-2), self.B.flip(-2), V.flip(-2)).flip(-2)
        return _prefix_product(self.A, self.B, V)

    def _adjoint(self) -> CausalLowRank:
        return CausalLowRank(self.B, self.A, upper=not self.upper)

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        values = (self.A[..., i, :] * self.B[..., j, :]).sum(-1)
        return values * (i <= j if self.upper else i >= j)

    def _take_batch(self, keys: Keys) -> CausalLowRank:
        A, B = (take_batch(t, 2, self.batch, keys) for t in (self.A, self.B))
        return CausalLowRank(A, B, upper=self.upper)

    def dense(self) -> Tensor:
        """The triangle of the product of the factors."""
        product = self.A @ self.B.mT
        return product.triu() if self.upper else product.tril()


def _prefix_product(A: Tensor, B: Tensor, V: Tensor) -> Tensor:
    """``tril(A Bᵀ) V``: each chunk's own triangle, and a sum ``Bᵀ V`` of what is before it."""
    parts = [t.split(CHUNK, dim=-2) for t in (A, B, V)]
    before: Tensor | None = None  # [*batch, r, c]
    out = []
    for a, b, v in zip(*parts):
        own = (a @ b.mT).tril() @ v  # [*batch, chunk, c]
        out.append(own if before is None else own + a @ before)
        before = b.mT @ v if before is None else before + b.mT @ v
    return torch.cat(out, dim=-2)
