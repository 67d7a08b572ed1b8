"""Preconditioners and low-rank approximations against dense algebra."""

import pytest
import scipy.linalg
import torch
from matrices import F64, gaussian_gram, generator, randn, spd

from mercer.linalg import (
    CirculantPreconditioner,
    JacobiPreconditioner,
    NystromPreconditioner,
    RandomlyPivotedCholesky,
    nystrom_approximation,
    partial_cholesky,
    ridge_leverage_scores,
)
from mercer.operators import Dense, Diagonal, Identity, Toeplitz

PSD = {"symmetric", "psd"}


@pytest.mark.parametrize("block_size", [1, 7, 40])
def test_partial_cholesky_is_exact_on_its_pivots(block_size):
    A = gaussian_gram(60)
    F, pivots, remainder = partial_cholesky(
        Dense(A, PSD), 25, block_size=block_size, generator=generator()
    )
    assert F.shape == (60, 25)
    assert len(set(pivots.tolist())) == 25
    approximation = F @ F.mT
    torch.testing.assert_close(approximation[:, pivots], A[:, pivots], rtol=0, atol=1e-9)
    torch.testing.assert_close(remainder, torch.diag(A - approximation), rtol=0, atol=1e-9)
    # A - F Fᵀ is a Schur complement: positive semidefinite.
    assert torch.linalg.eigvalsh(A - approximation)[0] > -1e-9


def test_partial_cholesky_stops_at_the_rank():
    G = randn(30, 4)
    for block_size in (1, 8):
        F, _, remainder = partial_cholesky(
            Dense(G @ G.mT, PSD), 30, block_size=block_size, generator=generator()
        )
        assert F.shape[1] == 4
        assert float(remainder.max()) < 1e-10


def test_partial_cholesky_is_near_the_best_approximation():
    A = gaussian_gram(200)
    best = torch.linalg.eigvalsh(A)[:-20].sum()  # trace error of the best rank 20
    errors = []
    for seed in range(10):
        _, _, remainder = partial_cholesky(Dense(A, PSD), 40, generator=generator(seed))
        errors.append(float(remainder.sum()))
    assert max(errors) < best


def test_blocks_draw_by_the_law_of_single_pivots():
    """The second pivot of a 3 x 3 matrix, by blocks of one and of four, against its probability."""
    A = torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=F64)
    # First 0 or 1, then the other has remainder 0.19 beside 1: together 2/3 * 0.19 / 1.19.
    expected = 2 / 3 * 0.19 / 1.19
    for block_size in (1, 4):
        source = generator(1)
        draws = 500
        pairs = 0
        for _ in range(draws):
            pivots = partial_cholesky(Dense(A, PSD), 2, block_size=block_size, generator=source)[1]
            pairs += set(pivots.tolist()) == {0, 1}
        deviation = (expected * (1 - expected) / draws) ** 0.5
        assert abs(pairs / draws - expected) < 4 * deviation


@pytest.mark.parametrize("noise", [1e-3, "diagonal"])
def test_randomly_pivoted_cholesky_inverts_its_matrix(noise):
    A = gaussian_gram(50)
    D = randn(50).abs() + 0.1 if noise == "diagonal" else torch.full((50,), noise, dtype=F64)
    K = Dense(A, PSD) + (Diagonal(D) if noise == "diagonal" else noise * Identity(50))
    P = RandomlyPivotedCholesky(K, 15, generator=generator())
    F = partial_cholesky(Dense(A, PSD), 15, generator=generator()).factor
    matrix = F @ F.mT + torch.diag(D)
    R = randn(50, 3)
    torch.testing.assert_close(P.apply(R), torch.linalg.solve(matrix, R), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(P.logdet(), torch.linalg.slogdet(matrix).logabsdet)


def test_nystrom_is_exact_at_full_rank():
    A = spd(20)
    U, values = nystrom_approximation(Dense(A, PSD), 20, generator=generator())
    torch.testing.assert_close((U * values) @ U.mT, A, rtol=0, atol=1e-9)
    K = Dense(A, PSD) + 0.5 * Identity(20)
    P = NystromPreconditioner(K, 20, generator=generator())
    smallest = torch.linalg.eigvalsh(A)[0] + 0.5
    torch.testing.assert_close(
        P.apply(torch.eye(20, dtype=F64)), smallest * torch.linalg.inv(K.dense())
    )


def test_nystrom_is_below_the_matrix():
    A = gaussian_gram(80)
    U, values = nystrom_approximation(Dense(A, PSD), 15, generator=generator())
    torch.testing.assert_close(U.mT @ U, torch.eye(15, dtype=F64))
    assert torch.linalg.eigvalsh(A - (U * values) @ U.mT)[0] > -1e-7
    with pytest.raises(ValueError, match="one noise for all rows"):
        NystromPreconditioner(Dense(A, PSD) + Diagonal(torch.ones(80, dtype=F64) * 2), 5)


def test_circulant_is_the_nearest():
    t = 0.8 ** torch.arange(9, dtype=F64)
    P = CirculantPreconditioner(Toeplitz(t, tags={"psd"}) + 0.2 * Identity(9))
    T = scipy.linalg.toeplitz(t.numpy()) + 0.2 * torch.eye(9, dtype=F64).numpy()
    # The nearest circulant averages along its diagonals.
    mean = [sum(T[(i + k) % 9, i] for i in range(9)) / 9 for k in range(9)]
    C = torch.from_numpy(scipy.linalg.circulant(mean))
    R = randn(9, 2)
    torch.testing.assert_close(P.apply(R), torch.linalg.solve(C, R))


def test_jacobi():
    A = spd(5, 3)
    R = randn(5, 2)
    expected = R / torch.diagonal(A, dim1=-2, dim2=-1)[..., None]
    torch.testing.assert_close(JacobiPreconditioner(Dense(A, PSD)).apply(R), expected)
    with pytest.raises(ValueError, match="positive diagonal"):
        JacobiPreconditioner(Dense(-A))


def test_leverage_scores():
    A = gaussian_gram(60)
    exact = torch.diag(A @ torch.linalg.inv(A + 0.1 * torch.eye(60, dtype=F64)))
    full = ridge_leverage_scores(Dense(A, PSD), 0.1, rank=60, generator=generator())
    torch.testing.assert_close(full, exact, rtol=1e-6, atol=1e-8)
    rough = ridge_leverage_scores(Dense(A, PSD), 0.1, rank=20, generator=generator())
    assert bool((rough > 0.5 * exact).all())
    assert float(rough.sum()) < 2 * float(exact.sum())


@pytest.mark.parametrize("make", [RandomlyPivotedCholesky, NystromPreconditioner])
def test_noise_must_be_positive(make):
    with pytest.raises(ValueError, match="noise must be positive, got -1"):
        make(Dense(spd(4), PSD), 2, noise=-1.0)


def test_batch_is_refused():
    with pytest.raises(ValueError, match="takes one operator, got a batch"):
        partial_cholesky(Dense(spd(4, 2), PSD), 2)
