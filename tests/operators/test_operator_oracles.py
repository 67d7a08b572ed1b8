"""Structures against matrices that NumPy and SciPy make."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
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
    Sparse,
    Toeplitz,
    Zero,
)

ATOL = 1e-12


def agree(K: Operator, expected: np.ndarray) -> None:
    """Dense, entries and both products against the matrix of another library."""
    rng = np.random.default_rng(0)
    n, m = expected.shape
    V, U = rng.normal(size=(m, 3)), rng.normal(size=(n, 3))
    np.testing.assert_allclose(K.dense().numpy(), expected, atol=ATOL)
    np.testing.assert_allclose((K @ torch.from_numpy(V)).numpy(), expected @ V, atol=ATOL)
    np.testing.assert_allclose((K.mT @ torch.from_numpy(U)).numpy(), expected.T @ U, atol=ATOL)
    np.testing.assert_allclose((torch.from_numpy(U.T) @ K).numpy(), U.T @ expected, atol=ATOL)
    i, j = rng.integers(0, n, 7), rng.integers(0, m, 7)
    entries = K._entries(torch.from_numpy(i), torch.from_numpy(j))
    np.testing.assert_allclose(entries.numpy(), expected[i, j], atol=ATOL)
    np.testing.assert_allclose(K.diagonal().numpy(), np.diagonal(expected), atol=ATOL)


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(len(shapes))
    return [rng.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 3), (3, 8), (64, 64), (97, 101)])
def test_toeplitz_is_scipy_toeplitz(n: int, m: int) -> None:
    column, row = arrays((n,), (m,))
    K = Toeplitz(torch.from_numpy(column), torch.from_numpy(row))
    agree(K, scipy.linalg.toeplitz(column, row))
    agree(Toeplitz(torch.from_numpy(column)), scipy.linalg.toeplitz(column))


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_circulant_is_scipy_circulant(n: int) -> None:
    (column,) = arrays((n,))
    agree(Circulant(torch.from_numpy(column)), scipy.linalg.circulant(column))


def test_kronecker_is_numpy_kron() -> None:
    A, B, C = arrays((2, 3), (3, 1), (2, 4))
    K = Kronecker(*(Dense(torch.from_numpy(M)) for M in (A, B, C)))
    agree(K, np.kron(np.kron(A, B), C))
    nested = Dense(torch.from_numpy(A)).kron(Dense(torch.from_numpy(B)).kron(Identity(2)))
    assert len(nested.factors) == 3


def test_kronecker_takes_identity_in_the_dtype_of_the_others() -> None:
    (A,) = arrays((2, 3))
    agree(Dense(torch.from_numpy(A)).kron(Identity(2)), np.kron(A, np.eye(2)))


@pytest.mark.parametrize("layout", ["coo", "csr", "csc"])
def test_sparse_is_scipy_sparse(layout: str) -> None:
    rng = np.random.default_rng(0)
    matrix = scipy.sparse.random_array((23, 17), density=0.1, rng=rng)
    dense = torch.from_numpy(matrix.toarray())
    stored = {"coo": dense.to_sparse_coo, "csr": dense.to_sparse_csr, "csc": dense.to_sparse_csc}
    agree(Sparse.from_tensor(stored[layout]()), matrix.toarray())


def test_sparse_entries_at_one_place_add_up() -> None:
    rows, cols, values = [2, 0, 2, 1], [1, 0, 1, 2], [1.0, 2.0, 3.0, 4.0]
    expected = scipy.sparse.coo_array((values, (rows, cols)), shape=(3, 4)).toarray()
    K = Sparse(torch.tensor([rows, cols]), torch.tensor(values, dtype=torch.float64), (3, 4))
    agree(K, expected)


@pytest.mark.parametrize("shape", [(5, 5), (4, 7), (7, 4)])
def test_banded_is_scipy_dia(shape: tuple[int, int]) -> None:
    n, m = shape
    offsets = (2, 0, -1, -3)
    (data,) = arrays((4, m))
    expected = scipy.sparse.dia_array((data, offsets), shape=shape).toarray()
    agree(Banded(torch.from_numpy(data), offsets, n), expected)


def test_banded_storage_is_that_of_solve_banded() -> None:
    data, b = arrays((3, 6), (6,))
    data[1] += 4.0
    K = Banded(torch.from_numpy(data), (1, 0, -1))
    x = scipy.linalg.solve_banded((1, 1), data, b)
    np.testing.assert_allclose((K @ torch.from_numpy(x)).numpy(), b, atol=ATOL)


def test_block_is_numpy_block() -> None:
    A, B, C = arrays((2, 3), (2, 2), (4, 3))
    a, b, c = (torch.from_numpy(M) for M in (A, B, C))
    agree(Block([[a, b], [Dense(c), None]]), np.block([[A, B], [C, np.zeros((4, 2))]]))


def test_block_diagonal_is_scipy_block_diag() -> None:
    A, B = arrays((3, 3), (2, 2))
    K = Block([[LowRank(torch.from_numpy(A)), None], [None, LowRank(torch.from_numpy(B))]])
    agree(K, scipy.linalg.block_diag(A @ A.T, B @ B.T))
    assert "psd" in K.tags


def test_small_structures_are_numpy() -> None:
    d, A, B = arrays((4,), (4, 2), (5, 2))
    agree(Diagonal(torch.from_numpy(d)), np.diag(d))
    agree(LowRank(torch.from_numpy(A), torch.from_numpy(B)), A @ B.T)
    agree(Identity(4, torch.float64), np.eye(4))
    agree(Zero(4, 2, dtype=torch.float64), np.zeros((4, 2)))


def test_permuted_is_numpy_ix() -> None:
    (A,) = arrays((5, 4))
    rows, cols = [4, 0, 0, -2], [3, 1, 3]
    K = Permuted(Dense(torch.from_numpy(A)), rows, cols)
    agree(K, A[np.ix_(rows, cols)])
    agree(K[1:, [2, 0]], A[np.ix_(rows, cols)][1:][:, [2, 0]])


def test_normalised_rows_sum_to_one() -> None:
    (A,) = arrays((4, 6))
    A = np.abs(A)
    K = Normalised(Dense(torch.from_numpy(A)))
    agree(K, A / A.sum(1, keepdims=True))
    agree(K[1:3], (A / A.sum(1, keepdims=True))[1:3])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_transforms_are_rounded_once(dtype: torch.dtype) -> None:
    column, V = (torch.from_numpy(a).to(dtype) for a in arrays((33,), (33, 2)))
    expected = scipy.linalg.circulant(column.double().numpy()) @ V.double().numpy()
    found = (Circulant(column) @ V).double().numpy()
    # Half a unit in the last place, and what float32 loses before.
    bound = np.abs(expected) * torch.finfo(dtype).eps / 2 + 1e-4
    assert (np.abs(found - expected) <= bound).all()
