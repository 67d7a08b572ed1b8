"""Products of matrices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.problem import problem

PRODUCT = {
    "odd": (17, 33, 25),
    "small": (64, 48, 96),
    "desk": (512, 512, 512),
    "race": (4096, 4096, 4096),
}
SQUARE = {"odd": (17, 25), "small": (64, 32), "desk": (512, 256), "race": (4096, 1024)}
TAGS = ("matmul",)


@problem(1, PRODUCT, tags=TAGS)
class MatrixProduct(nn.Module):
    """A times B."""

    @staticmethod
    def arguments(rows: int, inner: int, columns: int) -> list[Argument]:
        return [normal(rows, inner), normal(inner, columns)]

    def forward(self, A: Tensor, B: Tensor) -> Tensor:
        return A @ B


@problem(1, PRODUCT, tags=TAGS)
class TransposedProduct(nn.Module):
    """The transpose of A times the transpose of B."""

    @staticmethod
    def arguments(rows: int, inner: int, columns: int) -> list[Argument]:
        return [normal(inner, rows), normal(columns, inner)]

    def forward(self, A: Tensor, B: Tensor) -> Tensor:
        return A.mT @ B.mT


@problem(
    1,
    {
        "odd": (3, 9, 17, 11),
        "small": (4, 32, 16, 24),
        "desk": (16, 128, 64, 128),
        "race": (64, 1024, 128, 1024),
    },
    tags=TAGS,
)
class BatchedProduct(nn.Module):
    """A times B for every pair of a batch."""

    @staticmethod
    def arguments(batch: int, rows: int, inner: int, columns: int) -> list[Argument]:
        return [normal(batch, rows, inner), normal(batch, inner, columns)]

    def forward(self, A: Tensor, B: Tensor) -> Tensor:
        return torch.bmm(A, B)


@problem(
    1,
    {"odd": (17, 33), "small": (64, 96), "desk": (1024, 2048), "race": (8192, 4096)},
    tags=("memory-bound", "matmul", "reduction"),
)
class MatrixVectorProduct(nn.Module):
    """A matrix times one vector."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(columns)]

    def forward(self, A: Tensor, v: Tensor) -> Tensor:
        return A @ v


@problem(
    1,
    {"odd": (7, 501, 9), "small": (8, 1024, 8), "desk": (32, 32768, 32), "race": (32, 524288, 32)},
    tags=("memory-bound", "matmul", "reduction"),
)
class LongInnerProduct(nn.Module):
    """A product of few rows and columns over a very long inner axis."""

    @staticmethod
    def arguments(rows: int, inner: int, columns: int) -> list[Argument]:
        return [normal(rows, inner), normal(inner, columns)]

    def forward(self, A: Tensor, B: Tensor) -> Tensor:
        return A @ B


@problem(1, SQUARE, tags=(*TAGS, "partial"))
class TriangularProduct(nn.Module):
    """The lower triangle of a square matrix times a matrix."""

    @staticmethod
    def arguments(order: int, columns: int) -> list[Argument]:
        return [normal(order, order), normal(order, columns)]

    def forward(self, L: Tensor, B: Tensor) -> Tensor:
        return L.tril() @ B


@problem(1, SQUARE, tags=TAGS)
class GramMatrix(nn.Module):
    """The inner products of all pairs of rows."""

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns)]

    def forward(self, X: Tensor) -> Tensor:
        return X @ X.mT


@problem(1, SQUARE, tags=TAGS)
class RowBilinearForm(nn.Module):
    """The form x_i A y_i of every pair of rows."""

    @staticmethod
    def initial(rows: int, columns: int) -> tuple[int]:
        return (columns,)

    @staticmethod
    def arguments(rows: int, columns: int) -> list[Argument]:
        return [normal(rows, columns), normal(rows, columns)]

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.form = nn.Parameter(torch.randn(columns, columns) / columns**0.5)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x @ self.form * y).sum(-1)


@problem(
    1,
    {
        "odd": (5, 9, 7),
        "small": (16, 12, 8),
        "desk": (128, 64, 64),
        "race": (4096, 64, 64),
    },
    tags=TAGS,
)
class KroneckerProduct(nn.Module):
    """The Kronecker product of two matrices times vectors that are written as matrices."""

    @staticmethod
    def arguments(vectors: int, m: int, n: int) -> list[Argument]:
        return [normal(m, m), normal(n, n), normal(vectors, m, n)]

    def forward(self, A: Tensor, B: Tensor, V: Tensor) -> Tensor:
        return A @ V @ B.mT  # (A kron B) vec(V), rows first


@problem(
    1,
    {
        "odd": (9, 3, 7, 5),
        "small": (32, 4, 8, 8),
        "desk": (2048, 8, 32, 32),
        "race": (65536, 16, 64, 64),
    },
    tags=TAGS,
)
class BlockDiagonalProduct(nn.Module):
    """Rows cut into blocks, each block times a matrix of its own."""

    @staticmethod
    def initial(rows: int, blocks: int, inner: int, outer: int) -> tuple[int, int, int]:
        return blocks, inner, outer

    @staticmethod
    def arguments(rows: int, blocks: int, inner: int, outer: int) -> list[Argument]:
        return [normal(rows, blocks, inner)]

    def __init__(self, blocks: int, inner: int, outer: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(blocks, inner, outer) / inner**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nbi,bio->nbo", x, self.weight).contiguous()
