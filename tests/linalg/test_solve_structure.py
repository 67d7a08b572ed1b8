"""Every exact rule against torch.linalg on the dense matrix, in value and in two derivatives."""

import pytest
import scipy.linalg
import torch
from matrices import F64, randn, spd

from mercer.linalg import solve
from mercer.operators import (
    Banded,
    Block,
    Circulant,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    LowRank,
    Permuted,
    Product,
    Scaled,
    Sum,
    Toeplitz,
)

PSD = {"symmetric", "psd"}
ROWS = torch.tensor([2, 0, 3, 1])
COLS = torch.tensor([1, 3, 0, 2])
BAND = randn(4, 6, seed=1) + 5 * torch.eye(4, dtype=F64)[:, 1:2]  # offset 0 dominates


def sym(A):
    return 0.5 * (A + A.mT)


def kron_shift(A, B, c):
    return Kronecker(Dense(sym(A), PSD), Dense(sym(B), PSD)) + c * Identity(6)


def low_rank_diagonal(A, d):
    return LowRank(A) + Diagonal(d)


# name: (how it is made of tensors, the tensors, what explain must say)
CASES = {
    "identity": (lambda c: c * Identity(4), [torch.tensor(2.5, dtype=F64)], "identity"),
    "diagonal": (Diagonal, [randn(5).abs() + 0.5], "diagonal"),
    "diagonal-batch": (Diagonal, [randn(3, 5).abs() + 0.5], "diagonal"),
    "scaled": (lambda A, c: Scaled(Dense(A), c), [spd(4), torch.tensor(-3.0, dtype=F64)], "LU"),
    "lower": (lambda A: Dense(A.tril(), {"lower_triangular"}), [spd(4)], "triangular"),
    "upper": (lambda A: Dense(A.triu(), {"upper_triangular"}), [spd(4, 2)], "triangular"),
    "circulant-odd": (Circulant, [randn(5) + 3 * torch.eye(5, dtype=F64)[0]], "Fourier"),
    "circulant-even": (Circulant, [randn(2, 6) + 9 * torch.eye(6, dtype=F64)[0]], "Fourier"),
    "circulant-shift": (
        lambda c, s: Circulant(c) + s * Identity(6),
        [randn(6), torch.tensor(9.0, dtype=F64)],
        "Fourier",
    ),
    "kronecker": (
        lambda A, B, C: Kronecker(Dense(A), Dense(sym(B), PSD), Diagonal(C)),
        [randn(2, 2) + 3 * torch.eye(2, dtype=F64), spd(3), randn(2).abs() + 1],
        "Kronecker",
    ),
    "kronecker-batch": (
        lambda A, B: Kronecker(Dense(A), Dense(B)),
        [spd(2, 3), spd(3, seed=2)],
        "Kronecker",
    ),
    "kronecker-shift": (kron_shift, [spd(2), spd(3), torch.tensor(0.3, dtype=F64)], "eigenvectors"),
    "woodbury": (low_rank_diagonal, [randn(6, 2), randn(6, seed=3).abs() + 0.2], "Woodbury"),
    "woodbury-batch": (low_rank_diagonal, [randn(3, 6, 2), randn(6).abs() + 0.2], "Woodbury"),
    "woodbury-general": (
        lambda A, B, c: LowRank(A, B) + c * Identity(6),
        [randn(6, 2), randn(6, 2, seed=5), torch.tensor(4.0, dtype=F64)],
        "Woodbury",
    ),
    "permuted": (lambda A: Permuted(Dense(A), ROWS, COLS), [spd(4)], "permuted"),
    "permuted-rows": (lambda A: Permuted(Dense(A), ROWS), [spd(4, 2)], "permuted"),
    "product": (lambda A, d: Product(Dense(A), Diagonal(d)), [spd(4), randn(4) + 4], "product"),
    "block": (
        lambda A, B: Block([[Dense(sym(A), PSD), None], [None, Diagonal(B)]]),
        [spd(3), randn(2).abs() + 1],
        "block",
    ),
    "banded": (lambda d: Banded(d, [1, 0, -1, -3]), [BAND], "LU in band"),
    "toeplitz": (
        lambda c: Toeplitz(c, tags={"psd"}) + 0.1 * Identity(5),
        [torch.tensor([3.0, 1.0, 0.5, 0.2, 0.1], dtype=F64)],
        "Cholesky",
    ),
    "sum": (
        lambda A, d: Sum(Dense(sym(A), PSD), Diagonal(d)),
        [spd(4), randn(4).abs()],
        "Cholesky",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_equals_dense_solve(name):
    make, tensors, said = CASES[name]
    K = make(*tensors)
    A = K.dense()
    for B in (randn(K.n, 3, seed=7), randn(2, 1, K.n, 2, seed=8)):
        if name == "banded" and B.ndim > 2:
            said = "LU:"
        found = solve(K, B)
        batch = torch.broadcast_shapes(A.shape[:-2], B.shape[:-2])
        torch.testing.assert_close(
            found.x, torch.linalg.inv(A) @ B.expand(*batch, *B.shape[-2:]), rtol=1e-9, atol=1e-11
        )
        assert said in found.explain
        assert found.converged
        assert found.iterations == 0
        assert found.residual < 1e-12


@pytest.mark.parametrize("name", CASES)
def test_vector(name):
    make, tensors, _ = CASES[name]
    K = make(*tensors)
    b = randn(K.n, seed=9)
    x = solve(K, b).x
    assert x.shape == (*K.batch, K.n)
    torch.testing.assert_close(x, (torch.linalg.inv(K.dense()) @ b), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    make, tensors, _ = CASES[name]
    inputs = [t.clone().requires_grad_() for t in tensors]
    b = randn(make(*tensors).n, 2, seed=11).requires_grad_()

    def x(b, *tensors):
        return solve(make(*tensors), b).x

    assert torch.autograd.gradcheck(x, (b, *inputs))
    assert torch.autograd.gradgradcheck(x, (b, *inputs), atol=1e-4)


def test_banded_equals_scipy():
    K = Banded(BAND[:3] + 4, [1, 0, -1])
    b = randn(6, 2, seed=2)
    expected = scipy.linalg.solve_banded((1, 1), (BAND[:3] + 4).numpy(), b.numpy())
    torch.testing.assert_close(solve(K, b).x, torch.from_numpy(expected))


def test_woodbury_with_little_noise():
    """Where the noise is 1e-10 of the rest the plain formula loses ten digits."""
    A, b = randn(40, 5), randn(40, seed=1)
    noise = 1e-9
    found = solve(LowRank(A) + noise * Identity(40), b)
    U, S, _ = torch.linalg.svd(A, full_matrices=False)
    inside = U.mT @ b
    expected = (b - U @ inside) / noise + U @ (inside / (S.square() + noise))
    torch.testing.assert_close(found.x, expected, rtol=1e-9, atol=0)
    assert found.residual < 1e-6


@pytest.mark.parametrize(
    ("K", "match"),
    [
        (Diagonal(torch.tensor([1.0, 0.0, 2.0])), "zero at 1"),
        (Circulant(torch.ones(4)), "singular to rounding"),
        (Dense(torch.tensor([[1.0, 0.0], [2.0, 0.0]]), {"lower_triangular"}), "zero at 1"),
        (Dense(torch.ones(2, 2)), "singular"),
        (Kronecker(Dense(torch.ones(2, 2)), Identity(2)), "singular"),
        (Banded(torch.zeros(1, 3), [0], tags={"symmetric"}) * 1.0, "singular"),
    ],
)
def test_singular(K, match):
    with pytest.raises(torch.linalg.LinAlgError, match=match):
        solve(K, torch.ones(K.n))


def test_selection_is_not_a_permutation():
    K = Permuted(Dense(spd(4)), torch.tensor([0, 1]), torch.tensor([2, 3]))
    assert "LU" in solve(K, torch.ones(2, dtype=F64)).explain
    with pytest.raises(ValueError, match="no exact rule"):
        solve(K, torch.ones(2, dtype=F64), method="structure")
