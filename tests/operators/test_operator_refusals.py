"""Bad input: one sentence that names the argument, what it was and what would do."""

from collections.abc import Callable

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
    Sparse,
    Sum,
    Toeplitz,
    Zero,
    as_operator,
)

A = torch.ones(3, 3)
B = torch.ones(3, 3, dtype=torch.float64)
WHERE = torch.tensor([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Dense(A) + Dense(B), TypeError, "torch.float64 but .* torch.float32"),
        (lambda: Dense(A) @ Dense(B), TypeError, "torch.float64 but .* torch.float32"),
        (lambda: Dense(A).kron(Dense(B)), TypeError, "torch.float64"),
        (lambda: Dense(A).kron(2.0), TypeError, "factor 2 must be an operator, got float"),
        (lambda: LowRank(A, B), TypeError, "B is torch.float64 but A is torch.float32"),
        (lambda: Toeplitz(A, B), TypeError, "row is torch.float64"),
        (lambda: Block([[A, B]]), TypeError, "block 2 is torch.float64"),
        (lambda: torch.tensor(2.0).double() * Dense(A), TypeError, "the factor is torch.float64"),
        (lambda: torch.tensor(2) * Dense(A), TypeError, "the factor must hold floating-point"),
        (lambda: Dense(A.to("meta")) + Dense(A), ValueError, "on cpu but .* on meta"),
        (lambda: Dense(A) + Dense(A[:2]), ValueError, "3 x 3 and 2 x 3"),
        (lambda: Dense(A) + Identity(2), ValueError, "3 x 3 and 2 x 2"),
        (lambda: Dense(A) @ Dense(A[:2]), ValueError, "3 columns, .* 3 rows, got 2"),
        (lambda: Dense(A) @ Identity(2), ValueError, "3 columns, .* 3 rows, got 2"),
        (lambda: Dense(A) @ A[:2], ValueError, r"3 columns, .* got shape \(2, 3\)"),
        (lambda: Dense(A) @ 2.0, TypeError, "got float"),
        (lambda: Dense(A) * Dense(A), TypeError, "use A @ B"),
        (lambda: Dense(A) + 1.0, TypeError, "got float"),
        (lambda: Dense(A) * float("nan"), ValueError, "factor must be finite, got nan"),
        (lambda: Dense(A) * "2", TypeError, "factor must be a number"),
        (lambda: Dense(A.expand(2, 3, 3)) + Dense(A.expand(5, 3, 3)), ValueError, r"\(2,\) and"),
        (lambda: Dense(A, tags={"lovely"}), ValueError, "lovely"),
        (lambda: Dense(A.long()), TypeError, "matrix.float()"),
        (lambda: Dense(torch.ones(3)), ValueError, r"\(\*batch, n, m\)"),
        (lambda: Diagonal(torch.tensor(1.0)), ValueError, "single number"),
        (lambda: Circulant(torch.tensor(1.0)), ValueError, "single number"),
        (lambda: Toeplitz(torch.tensor(1.0)), ValueError, "column and row"),
        (lambda: LowRank(A, torch.ones(3, 2)), ValueError, r"\(3, 3\) and \(3, 2\)"),
        (lambda: Identity(-1), ValueError, "n must be at least 0, got -1"),
        (lambda: Identity(2.0), TypeError, "n must be an integer"),
        (lambda: Identity(2, torch.int64), TypeError, "torch.int64"),
        (lambda: Zero(2, dtype=torch.int64), TypeError, "torch.int64"),
        (lambda: Normalised(Dense(A * 0)), ValueError, "row sum .* must be positive, got 0"),
        (lambda: Normalised(Dense(-A)), ValueError, "must be positive, got -3"),
        (lambda: Banded(A, (0, 1)), ValueError, r"\(\*batch, 2, m\).*got \(3, 3\)"),
        (lambda: Banded(A, (0, 1, 0)), ValueError, "distinct"),
        (lambda: Sparse(WHERE, torch.ones(3), (2, 2)), ValueError, r"\(2, 2\) and \(3,\)"),
        (lambda: Sparse(WHERE, torch.ones(2), (2, 1)), IndexError, "2 x 1"),
        (lambda: Sparse(WHERE.int(), torch.ones(2), (2, 2)), TypeError, "int64"),
        (lambda: Sparse(WHERE, torch.ones(2), (1, 2, 2)), ValueError, "no batch"),
        (lambda: Sparse.from_tensor(A), ValueError, "sparse torch.Tensor"),
        (lambda: Block([]), ValueError, "grid"),
        (lambda: Block([[A], [A, A]]), ValueError, r"\[1, 2\]"),
        (lambda: Block([[A, A[:2]]]), ValueError, r"block \(0, 1\) must be 3 x 3, got 2 x 3"),
        (lambda: Block([[A, None]]), ValueError, "no block but None"),
        (lambda: Permuted(Dense(A), 1), TypeError, "rows must be a 1-D tensor"),
        (lambda: Permuted(Dense(A), [3]), IndexError, "row index 3"),
        (lambda: Sum(), ValueError, "at least one"),
        (lambda: Product(), ValueError, "at least one"),
        (lambda: Kronecker(), ValueError, "at least one"),
        (lambda: as_operator(3), TypeError, "got int"),
    ],
)
def test_bad_input_is_refused(
    make: Callable[[], Operator], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
