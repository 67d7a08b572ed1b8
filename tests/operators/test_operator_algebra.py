"""What sums, multiples and products simplify to, and which tags they earn."""

import pytest
import torch

from mercer.operators import (
    Block,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    LowRank,
    Normalised,
    Permuted,
    Product,
    Scaled,
    Sparse,
    Sum,
    Toeplitz,
    Zero,
)


def normal(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("order", [lambda K, E: K + E, lambda K, E: E + K])
def test_identity_takes_the_dtype_of_what_it_is_added_to(dtype: torch.dtype, order: object) -> None:
    matrix = normal(3, 3, dtype=dtype)
    noise = torch.tensor(0.5, dtype=torch.float64)
    for E in (Identity(3), 0.5 * Identity(3), noise * Identity(3)):
        K = order(Dense(matrix), E)  # type: ignore[operator]
        assert K.dtype == dtype
        expected = matrix + E.dense().to(dtype)
        torch.testing.assert_close(K.dense(), expected)


def test_noise_on_the_identity_is_not_rounded_on_the_way() -> None:
    K = Dense(torch.zeros(1, 1, dtype=torch.float64)) + 0.1 * Identity(1, torch.float32)
    assert K.dense().item() == 0.1
    K = torch.tensor(0.1, dtype=torch.float64) * Identity(1, torch.float32)
    assert K.dense().item() == 0.1


def test_gradient_reaches_the_noise_through_the_change_of_dtype() -> None:
    noise = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    K = LowRank(normal(3, 1, dtype=torch.float32)) + noise * Identity(3)
    K.diagonal().sum().backward()
    assert noise.grad is not None
    assert noise.grad.item() == 3.0


def test_sums_merge_diagonals_and_stored_matrices() -> None:
    A, d = normal(3, 3), normal(3) ** 2
    K = (Diagonal(d) + LowRank(A)) + (Dense(A) + 2.0 * Identity(3)) + Dense(A)
    assert isinstance(K, Sum)
    assert [type(part) for part in K.parts] == [LowRank, Dense, Diagonal]
    torch.testing.assert_close(K.dense(), A @ A.mT + 2 * A + torch.diag(d) + 2 * torch.eye(3))


def test_multiples_of_the_identity_merge_to_one() -> None:
    K = Identity(3) + 2.0 * Identity(3)
    assert isinstance(K, Scaled)
    assert isinstance(K.operator, Identity)
    assert K.factor == 3.0


def test_zero_drops_out_unless_it_widens_the_batch() -> None:
    A = Dense(normal(2, 2))
    assert A + Zero(2, dtype=torch.float64) is A
    wide = A + Zero(2, batch=(3,), dtype=torch.float64)
    assert wide.shape == (3, 2, 2)
    torch.testing.assert_close(wide.dense(), A.matrix.expand(3, 2, 2))


def test_products_drop_identities_and_gather_numbers() -> None:
    A = Dense(normal(2, 3))
    assert A @ Identity(3) is A
    assert Identity(2) @ A is A
    K = (2.0 * A) @ (3.0 * A.mT)
    assert isinstance(K, Scaled)
    assert K.factor == 6.0
    assert isinstance(Zero(4, 2, dtype=torch.float64) @ A, Zero)
    assert isinstance(Diagonal(normal(3)) @ Diagonal(normal(3)), Diagonal)
    assert len((A @ A.mT @ A).parts) == 3


def test_numbers_of_numbers_multiply() -> None:
    A = LowRank(normal(3, 1))
    assert (2 * (3 * A)).factor == 6.0
    assert 1.0 * A is A
    assert (-A) * -1.0 is A
    assert isinstance(2 * Diagonal(normal(3)), Diagonal)


PSD = LowRank(normal(3, 2))
LOWER = Dense(normal(3, 3).tril(), tags={"lower_triangular"})
CHAIN = Normalised(Dense(normal(3, 3).exp()))


@pytest.mark.parametrize(
    ("make", "tags"),
    [
        (lambda: PSD + PSD, {"symmetric", "psd"}),
        (lambda: PSD - PSD, {"symmetric"}),
        (lambda: PSD + 0.1 * Identity(3), {"symmetric", "psd"}),
        (lambda: PSD + Diagonal(-torch.ones(3, dtype=torch.float64)), {"symmetric"}),
        (lambda: PSD + LOWER, set()),
        (lambda: torch.tensor(2.0, dtype=torch.float64) * PSD, {"symmetric", "psd"}),
        (lambda: torch.tensor(-2.0, dtype=torch.float64) * PSD, {"symmetric"}),
        (lambda: 2 * CHAIN, set()),
        (lambda: PSD @ PSD, {"symmetric", "psd"}),
        (lambda: PSD @ LOWER, set()),
        (lambda: LOWER @ LOWER, {"lower_triangular"}),
        (lambda: LOWER @ LOWER.mT, {"symmetric", "psd"}),
        (lambda: LOWER.mT, {"upper_triangular"}),
        (lambda: LOWER @ PSD @ LOWER.mT, {"symmetric", "psd"}),
        (lambda: LOWER @ (-PSD) @ LOWER.mT, {"symmetric"}),
        (lambda: CHAIN @ CHAIN, {"stochastic"}),
        (lambda: CHAIN.mT, set()),
        (lambda: Kronecker(PSD, PSD), {"symmetric", "psd"}),
        (lambda: Kronecker(PSD, LOWER), set()),
        (lambda: Kronecker(CHAIN, CHAIN), {"stochastic"}),
        (lambda: Kronecker(LOWER, LOWER), {"lower_triangular"}),
        (lambda: PSD[[2, 0, 0], [2, 0, 0]], {"symmetric", "psd"}),
        (lambda: Permuted(PSD, [2, 0], [2, 0]), {"symmetric", "psd"}),
        (lambda: Permuted(PSD, [2, 0], [0, 2]), set()),
        (lambda: Permuted(CHAIN, [2, 0, 2]), {"stochastic"}),
        (lambda: Permuted(LOWER, slice(1, None), slice(1, None)), {"lower_triangular"}),
        (lambda: Permuted(LOWER, [1, 0], [1, 0]), set()),
        (lambda: Toeplitz(normal(3)), {"symmetric"}),
        (lambda: Toeplitz(normal(3), normal(3)), set()),
        (lambda: Block([[LOWER, None], [PSD, LOWER]]), {"lower_triangular"}),
        (lambda: Block([[CHAIN, None], [None, CHAIN]]), {"stochastic"}),
        (lambda: Block([[PSD, LOWER], [LOWER.mT, PSD]]), {"symmetric"}),
        (lambda: Block([[PSD, LOWER], [LOWER, PSD]]), set()),
        (lambda: Product(LOWER, LOWER.mT), {"symmetric", "psd"}),
        (lambda: Dense(normal(2, 2), tags={"psd"}), {"symmetric", "psd"}),
    ],
)
def test_tags_that_are_earned(make: object, tags: set[str]) -> None:
    assert make().tags == tags  # type: ignore[operator]


def test_transpose_of_the_transpose_is_the_operator() -> None:
    assert LOWER.mT.mT is LOWER
    assert PSD.mT is PSD


def test_sparse_and_toeplitz_say_nothing_on_use(recwarn: pytest.WarningsRecorder) -> None:
    indices = torch.tensor([[0, 1], [1, 0]])
    Sparse(indices, normal(2), (2, 2)) @ normal(2)
    Toeplitz(normal(4)) @ normal(4)
    Block([[Dense(normal(2, 2))]])[0]
    assert [str(w.message) for w in recwarn] == []
