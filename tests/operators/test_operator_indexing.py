"""``A[key]`` against the dense matrix, and what indices are refused."""

from typing import Any

import numpy as np
import pytest
import torch

from mercer.operators import Dense, Diagonal, Identity, LowRank, Operator, Permuted, Sum, Zero

GENERATOR = torch.Generator().manual_seed(0)
MATRIX = torch.randn(2, 5, 4, generator=GENERATOR, dtype=torch.float64)


class Opaque(Operator):
    """A batch of matrices that writes the three methods and nothing else."""

    def __init__(self, matrix: torch.Tensor) -> None:
        super().__init__(matrix.shape, matrix.dtype, matrix.device)
        self.matrix = matrix

    def _matmul(self, V: torch.Tensor) -> torch.Tensor:
        return self.matrix @ V

    def _adjoint(self) -> Operator:
        return Opaque(self.matrix.mT)

    def _entries(self, i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
        return self.matrix[..., i, j]


def value(found: Any) -> torch.Tensor:
    return found.dense() if isinstance(found, Operator) else found


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (0, torch.Tensor),
        (-1, torch.Tensor),
        ((1, 2), torch.Tensor),
        ((-1, -1), torch.Tensor),
        (np.int64(2), torch.Tensor),
        (torch.tensor(2), torch.Tensor),
        ((slice(None), 3), torch.Tensor),
        ((2, slice(1, 3)), torch.Tensor),
        ((..., 0), torch.Tensor),
        ((3, ...), torch.Tensor),
        (([0, 2], 1), torch.Tensor),
        (slice(1, 4), Operator),
        (slice(None, None, 2), Operator),
        (slice(4, 1), Operator),
        (..., Operator),
        ([4, 0, 4], Operator),
        (torch.tensor([-1, 0]), Operator),
        (np.array([1, 1]), Operator),
        ([], Operator),
        (torch.tensor([True, False, True, False, True]), Operator),
        ((slice(1, 3), [0, 2]), Operator),
    ],
)
@pytest.mark.parametrize("make", [Dense, Opaque])
def test_index_agrees_with_the_matrix(make: Any, key: Any, kind: type) -> None:
    found = make(MATRIX[0])[key]
    assert isinstance(found, kind)
    plain = torch.tensor([], dtype=torch.int64) if isinstance(key, list) and not key else key
    torch.testing.assert_close(value(found), MATRIX[0][plain], rtol=0, atol=1e-14)


def test_rows_and_columns_select_independently() -> None:
    found = Opaque(MATRIX[0])[[4, 0], [1, 1, 3]]
    expected = MATRIX[0].numpy()[np.ix_([4, 0], [1, 1, 3])]
    np.testing.assert_array_equal(found.dense().numpy(), expected)
    mask = np.array([True, False, True, True])
    found = Dense(MATRIX[0])[slice(None, None, -2), mask]
    np.testing.assert_array_equal(found.dense().numpy(), MATRIX[0].numpy()[::-2][:, mask])


@pytest.mark.parametrize("key", [1, (0, 3), (0, 3, 2), (slice(None), 3), (..., 3, 2), (1, ..., 2)])
def test_batch_comes_first(key: Any) -> None:
    torch.testing.assert_close(value(Dense(MATRIX)[key]), MATRIX[key], rtol=0, atol=0)


def test_broadcast_batch_is_indexed_in_every_part() -> None:
    A, d = MATRIX[:, None, :4], torch.rand(3, 4, dtype=torch.float64)
    K = LowRank(A) + Diagonal(d) + Identity(4)
    whole = A @ A.mT + torch.diag_embed(d) + torch.eye(4)
    assert K.shape == (2, 3, 4, 4)
    for key in [(1,), (0, 2), (slice(None), [2, 0]), (slice(1, None), 1, slice(2), 3)]:
        expected = whole[tuple(key)]
        torch.testing.assert_close(value(K[tuple(key)]), expected)


def test_structure_is_kept_where_it_can_be() -> None:
    A = LowRank(MATRIX[0])
    assert isinstance(A[1:3], LowRank)
    assert isinstance(A[1:3, 1:3], LowRank)
    assert "psd" in A[[3, 0], [3, 0]].tags
    assert isinstance(Diagonal(MATRIX[0, 0])[1:, 1:], Diagonal)
    assert isinstance(Identity(4)[1:, 1:], Identity)
    assert isinstance(Zero(4)[[1, 1], 2:], Zero)
    assert isinstance((A + Identity(5))[1:, 1:], Sum)
    twice = Opaque(MATRIX[0])[[3, 1, 0]][[2, 0]]
    assert isinstance(twice, Permuted)
    assert isinstance(twice.operator, Opaque)
    assert A[:] is A


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (5, IndexError, "row index 5 is out of range for size 5"),
        (-6, IndexError, "row index -6"),
        ((0, 4), IndexError, "column index 4 is out of range for size 4"),
        ([0, 7], IndexError, "row index 7"),
        ((0, 0, 0), IndexError, "2 axes, got 3"),
        ((..., ...), IndexError, "one Ellipsis"),
        (torch.tensor([True, False]), IndexError, r"mask must have shape \(5,\)"),
        (None, TypeError, "None"),
        (1.5, TypeError, "row index"),
        (True, TypeError, "row index"),
        ("a", TypeError, "row index"),
        (torch.tensor([0.5]), TypeError, "torch.float32"),
        (torch.tensor([[0, 1]]), TypeError, r"\(1, 2\)"),
    ],
)
def test_wrong_index_is_refused(key: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Dense(MATRIX[0])[key]


def test_batch_without_rule_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="Opaque must define _take_batch"):
        Opaque(MATRIX)[0]
