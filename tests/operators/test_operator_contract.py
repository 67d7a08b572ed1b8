"""Every structure, in every shape, against the contract."""

import pytest
import torch

from mercer.operators import (
    Banded,
    Block,
    Circulant,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    LowRank,
    Normalised,
    Operator,
    Permuted,
    Product,
    Scaled,
    Sparse,
    Sum,
    Toeplitz,
    Zero,
)
from mercer.testing.operator import check_operator

POSITIONS = torch.tensor([[3, 0, 1, 0, 1], [2, 1, 1, 0, 1]])


def normal(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(k * size for k, size in enumerate(shape, 1)))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def sparse(values: torch.Tensor) -> Operator:
    return Sparse(POSITIONS, values, (4, 3))


def banded(diagonals: torch.Tensor) -> Operator:
    return Banded(diagonals, (1, 0, -2), 5)


def normalised(matrix: torch.Tensor) -> Operator:
    return Normalised(Dense(matrix.exp()))


def kronecker(A: torch.Tensor, B: torch.Tensor, C: torch.Tensor) -> Operator:
    return Kronecker(Dense(A), Dense(B), Dense(C))


def psd_kronecker(A: torch.Tensor, B: torch.Tensor) -> Operator:
    return LowRank(A).kron(LowRank(B))


def permuted(matrix: torch.Tensor) -> Operator:
    return Permuted(Dense(matrix), [1, 0, 1, 2], slice(None, None, 2))


def principal(A: torch.Tensor) -> Operator:
    index = torch.tensor([2, 0, 2])
    return Permuted(Circulant(A) @ Circulant(A).mT, index, index)


def block(A: torch.Tensor, B: torch.Tensor, d: torch.Tensor) -> Operator:
    return Block([[Dense(A), None, LowRank(B)], [Diagonal(d), Dense(A), None]])


def symmetric_block(A: torch.Tensor, B: torch.Tensor) -> Operator:
    corner = Dense(B)
    return Block([[LowRank(A), corner.mT], [corner, 2 * LowRank(A)]])


def noisy(A: torch.Tensor, d: torch.Tensor, noise: torch.Tensor) -> Operator:
    return LowRank(A) + Diagonal(d) + noise.exp() * Identity(d.shape[-1])


def scaled(A: torch.Tensor, c: torch.Tensor) -> Operator:
    return Scaled(LowRank(A), c)


def triple(A: torch.Tensor, d: torch.Tensor) -> Operator:
    left = Dense(A)
    return left @ Diagonal(d.exp()) @ left.mT


def chain(A: torch.Tensor, B: torch.Tensor, C: torch.Tensor) -> Operator:
    return Product(Dense(A), Toeplitz(B), Dense(C))


def total(A: torch.Tensor, column: torch.Tensor) -> Operator:
    return Sum(Dense(A), Toeplitz(column), Circulant(column))


STRUCTURES = {
    "dense": (Dense, normal(4, 3)),
    "dense batch": (Dense, normal(2, 1, 3, 3)),
    "dense 1 x 1": (Dense, normal(1, 1)),
    "dense 0 x 3": (Dense, normal(0, 3)),
    "dense 3 x 0": (Dense, normal(3, 0)),
    "dense empty batch": (Dense, normal(0, 2, 2)),
    "diagonal": (Diagonal, normal(5)),
    "diagonal psd batch": (lambda d: Diagonal(d.exp()), normal(3, 4)),
    "diagonal 1": (Diagonal, normal(1)),
    "diagonal 0": (Diagonal, normal(0)),
    "low rank": (LowRank, normal(5, 2), normal(3, 2)),
    "low rank psd": (LowRank, normal(4, 2)),
    "low rank batch": (LowRank, normal(2, 3, 2), normal(3, 1, 4, 2)),
    "low rank of rank 0": (LowRank, normal(3, 0), normal(2, 0)),
    "low rank 0 x 2": (LowRank, normal(0, 2), normal(2, 2)),
    "toeplitz": (Toeplitz, normal(5), normal(3)),
    "toeplitz wide": (Toeplitz, normal(2), normal(7)),
    "toeplitz symmetric": (Toeplitz, normal(6)),
    "toeplitz batch": (Toeplitz, normal(2, 4), normal(3, 1, 3)),
    "toeplitz 1 x 1": (Toeplitz, normal(1), normal(1)),
    "toeplitz 0 x 3": (Toeplitz, normal(0), normal(3)),
    "toeplitz 3 x 0": (Toeplitz, normal(3), normal(0)),
    "circulant odd": (Circulant, normal(5)),
    "circulant even batch": (Circulant, normal(2, 6)),
    "circulant 1": (Circulant, normal(1)),
    "circulant 0": (Circulant, normal(0)),
    "kronecker": (kronecker, normal(2, 3), normal(3, 1), normal(1, 2)),
    "kronecker psd": (psd_kronecker, normal(2, 1), normal(3, 2)),
    "kronecker batch": (kronecker, normal(2, 2, 2), normal(3, 1, 1, 2), normal(2, 1)),
    "kronecker 0": (kronecker, normal(2, 0), normal(3, 2), normal(1, 2)),
    "sparse": (sparse, normal(5)),
    "sparse without entries": (lambda v: Sparse(POSITIONS[:, :0], v, (3, 4)), normal(0)),
    "sparse 0 x 2": (lambda v: Sparse(POSITIONS[:, :0], v, (0, 2)), normal(0)),
    "banded": (banded, normal(3, 4)),
    "banded batch": (banded, normal(2, 3, 4)),
    "banded lower": (lambda d: Banded(d, (-1, 0)), normal(2, 4)),
    "banded beyond the matrix": (lambda d: Banded(d, (7, 0, -7)), normal(3, 3)),
    "banded without diagonals": (lambda d: Banded(d, ()), normal(0, 3)),
    "banded 1": (lambda d: Banded(d, (0,)), normal(1, 1)),
    "banded 0": (lambda d: Banded(d, (0, 1)), normal(2, 0)),
    "normalised": (normalised, normal(4, 3)),
    "normalised batch": (normalised, normal(2, 3, 3)),
    "permuted": (permuted, normal(3, 4)),
    "permuted batch": (permuted, normal(2, 3, 4)),
    "principal part": (principal, normal(4)),
    "block": (block, normal(2, 2), normal(2, 1), normal(2)),
    "block batch": (block, normal(3, 2, 2), normal(2, 1), normal(2, 1, 2)),
    "block symmetric": (symmetric_block, normal(2, 1), normal(2, 2)),
    "sum": (total, normal(2, 4, 4), normal(4)),
    "low rank and noise": (noisy, normal(4, 1), normal(4) ** 2, normal()),
    "scaled": (scaled, normal(3, 2), normal()),
    "scaled batch": (scaled, normal(3, 2), normal(2)),
    "product": (chain, normal(2, 3), normal(3), normal(2, 3, 4)),
    "product symmetric": (triple, normal(3, 2), normal(2)),
    "normalised 1": (normalised, normal(1, 1)),
}

# Tracing takes a second or so for each; one of a kind is enough.
COMPILED = ("dense", "low rank", "toeplitz", "sparse", "banded", "block", "low rank and noise")


@pytest.mark.parametrize("name", STRUCTURES)
def test_structure_keeps_the_contract(name: str) -> None:
    make, *tensors = STRUCTURES[name]
    check_operator(make, *tensors, compiled=name in COMPILED)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_identity_keeps_the_contract(n: int) -> None:
    check_operator(lambda dtype: Identity(n, dtype), compiled=False)
    check_operator(lambda dtype: 0.5 * Identity(n, dtype), compiled=False)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (0, 2), (2, 0)])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_zero_keeps_the_contract(shape: tuple[int, int], batch: tuple[int, ...]) -> None:
    check_operator(lambda dtype: Zero(*shape, batch=batch, dtype=dtype), compiled=False)
