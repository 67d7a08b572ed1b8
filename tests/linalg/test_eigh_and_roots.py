"""Eigenvalues, square roots and Cholesky factors against torch.linalg and scipy.linalg."""

import pytest
import scipy.linalg
import torch
from matrices import F64, gaussian_gram, generator, randn, spd

from mercer.linalg import ConvergenceWarning, cholesky, eigh, lanczos, sqrt
from mercer.operators import (
    Banded,
    Block,
    Circulant,
    Dense,
    Diagonal,
    Identity,
    Kronecker,
    Scaled,
    Toeplitz,
    Zero,
)

PSD = {"symmetric", "psd"}
EVEN = torch.tensor([4.0, 1.0, 0.5, 0.2, 0.5, 1.0], dtype=F64)
ODD = torch.tensor([4.0, 1.0, 0.5, 0.5, 1.0], dtype=F64)
KRON = [spd(3), spd(2, seed=1), spd(2, seed=2)]
STRUCTURES = {
    "dense": Dense(spd(7), PSD),
    "dense-batch": Dense(spd(5, 2, 3), PSD),
    "diagonal": Diagonal(randn(2, 6).abs()),
    "scaled-diagonal": Scaled(Diagonal(randn(6).abs()), 3.0),
    "circulant-even": Circulant(EVEN, PSD),
    "circulant-odd": Circulant(torch.stack([ODD, 2 * ODD]), PSD),
    "circulant-one": Circulant(EVEN[:1], PSD),
    "scaled-circulant": Scaled(Circulant(EVEN, PSD), 0.5),
    "kronecker": Kronecker(*(Dense(A, PSD) for A in KRON)),
    "kronecker-batch": Kronecker(Dense(spd(2, 2), PSD), Diagonal(randn(3).abs())),
    "toeplitz": Toeplitz(EVEN[:4], tags={"psd"}),
    "sum": Dense(spd(5), PSD) + 0.5 * Identity(5),
    "identity": Identity(3, dtype=F64),
}


@pytest.mark.parametrize("rank", [None, 1, 3, 100])
@pytest.mark.parametrize("name", STRUCTURES)
def test_eigh(name, rank):
    K = STRUCTURES[name]
    A = K.dense().expand(K.shape)
    r = K.n if rank is None else min(rank, K.n)
    values, vectors = eigh(K, rank)
    torch.testing.assert_close(values, torch.linalg.eigvalsh(A)[..., K.n - r :])
    assert vectors.shape == (*K.batch, K.n, r)
    torch.testing.assert_close(A @ vectors, vectors * values[..., None, :])
    torch.testing.assert_close(vectors.mT @ vectors, torch.eye(r, dtype=F64).expand(*K.batch, r, r))


def test_structure_is_used():
    for name in ("diagonal", "scaled-circulant", "kronecker"):
        eigh(STRUCTURES[name], 2, method="structure")
        sqrt(STRUCTURES[name], method="structure")
    for function in (eigh, sqrt):
        with pytest.raises(ValueError, match="no exact rule"):
            function(STRUCTURES["dense"], method="structure")


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("rank", [1, 5, 20])
def test_krylov(rank, dtype):
    A = gaussian_gram(300, lengthscale=0.2, dtype=dtype)
    values, vectors = eigh(Dense(A, PSD), rank, method="krylov", generator=generator())
    tol = 1e-5 if dtype == torch.float32 else 1e-9
    exact = torch.linalg.eigvalsh(A.double())
    torch.testing.assert_close(
        values.double(), exact[-rank:], rtol=0, atol=float(5 * tol * exact[-1])
    )
    V = vectors.double()
    residual = torch.linalg.vector_norm(A.double() @ V - V * values.double(), dim=0)
    assert float(residual.max()) < 5 * tol * float(exact[-1])
    torch.testing.assert_close(V.mT @ V, torch.eye(rank, dtype=F64), rtol=0, atol=10 * tol)


def test_krylov_with_clusters_batches_and_negative_values():
    Q = torch.linalg.qr(randn(2, 60, 60)).Q
    values = torch.cat([torch.full((4,), 5.0), torch.linspace(-9, 4.9, 56)]).to(F64)
    A = (Q * values) @ Q.mT
    A = 0.5 * (A + A.mT)
    found, vectors = eigh(Dense(A, {"symmetric"}), 6, method="krylov", generator=generator())
    torch.testing.assert_close(found, torch.linalg.eigvalsh(A)[..., -6:], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(A @ vectors, vectors * found[..., None, :], rtol=0, atol=1e-7)


def test_krylov_beyond_the_rank_of_the_matrix():
    G = randn(40, 3)
    found = eigh(Dense(G @ G.mT, PSD), 10, method="krylov", generator=generator())
    torch.testing.assert_close(
        found.values, torch.linalg.eigvalsh(G @ G.mT)[-10:], rtol=1e-9, atol=1e-8
    )


def test_krylov_value_derivative():
    A = spd(30).requires_grad_()
    values = eigh(Dense(A, PSD), 3, method="krylov", generator=generator()).values
    weights = torch.tensor([1.0, 2.0, 3.0], dtype=F64)
    (found,) = torch.autograd.grad((weights * values).sum(), A)
    (exact,) = torch.autograd.grad((weights * torch.linalg.eigvalsh(A)[-3:]).sum(), A)
    torch.testing.assert_close(found + found.mT, exact + exact.mT, rtol=0, atol=1e-7)


def test_krylov_says_when_it_stops_short():
    K = Dense(gaussian_gram(200, lengthscale=0.05), PSD)
    with pytest.warns(ConvergenceWarning, match="2 block products"):
        eigh(K, 5, method="krylov", max_iterations=2, tol=1e-12)


def test_lanczos_relation():
    A, start = spd(40), randn(40, 2)
    Q, T = lanczos(Dense(A, PSD), start, steps=12)
    assert Q.shape == (2, 40, 12)
    torch.testing.assert_close(Q.mT @ Q, torch.eye(12, dtype=F64).expand(2, 12, 12))
    torch.testing.assert_close(Q.mT @ A @ Q, T)
    torch.testing.assert_close(Q[:, :, 0].mT, start / start.norm(dim=0))
    assert not bool(T.triu(2).any())


def test_lanczos_on_an_exhausted_space():
    A = torch.diag(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=F64))
    start = torch.tensor([[1.0], [1.0], [0.0], [0.0]], dtype=F64)
    Q, T = lanczos(Dense(A, PSD), start, steps=4)
    torch.testing.assert_close(
        torch.linalg.eigvalsh(T[0]), torch.tensor([1.0, 1.0, 1.0, 2.0], dtype=F64)
    )
    assert not bool(Q[0, :, 2:].any())


@pytest.mark.parametrize("name", STRUCTURES)
def test_sqrt(name):
    K = STRUCTURES[name]
    S = sqrt(K)
    A = K.dense()
    torch.testing.assert_close(S.dense() @ S.dense(), A, rtol=1e-9, atol=1e-9)
    assert {"symmetric", "psd"} <= S.tags
    torch.testing.assert_close(S.dense(), S.dense().mT)
    assert float(torch.linalg.eigvalsh(S.dense()).min()) > -1e-9
    if A.ndim == 2:
        expected = torch.from_numpy(scipy.linalg.sqrtm(A.numpy()).real)
        torch.testing.assert_close(S.dense(), expected, rtol=1e-7, atol=1e-8)


def test_sqrt_keeps_structure():
    for name in ("diagonal", "circulant-even", "kronecker"):
        assert type(sqrt(STRUCTURES[name])) is type(STRUCTURES[name])
    assert isinstance(sqrt(Zero(3)), Zero)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_lanczos_sqrt(batch):
    A = spd(20, *batch, condition=1e3)
    S = sqrt(Dense(A, PSD), method="lanczos")
    V = randn(20, 3)
    V[:, 1] = 0
    values, U = torch.linalg.eigh(A)
    exact = (U * values.sqrt()[..., None, :]) @ U.mT
    torch.testing.assert_close(S @ V, exact @ V, rtol=1e-8, atol=1e-8)
    i, j = torch.tensor([3, 5]), torch.tensor([5, 5])
    torch.testing.assert_close(S._entries(i, j), exact[..., i, j], rtol=1e-7, atol=1e-8)
    V = randn(20, 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda V: S @ V, V, atol=1e-5)


@pytest.mark.parametrize("degenerate", [True, False])
def test_sqrt_derivatives(degenerate):
    """Also where eigenvalues coincide, where the derivative of eigenvectors does not exist."""
    A = 4 * torch.eye(3, dtype=F64) if degenerate else spd(3)
    A.requires_grad_()

    def root(A):
        return sqrt(Dense(0.5 * (A + A.mT), PSD)).dense()

    assert torch.autograd.gradcheck(root, A)
    assert torch.autograd.gradgradcheck(root, A, atol=1e-4)


BANDS = torch.tensor([[0.0, 1.0, 1.0, 0.5], [4.0, 5.0, 6.0, 7.0], [1.0, 1.0, 0.5, 0.0]], dtype=F64)
FACTORS = {
    "dense": (Dense(spd(5, 2), PSD), Dense),
    "sum": (Dense(spd(4), PSD) + 0.5 * Identity(4), Dense),
    "diagonal": (Diagonal(randn(5).abs()), Diagonal),
    "identity": (2.0 * Identity(3, dtype=F64), Scaled),
    "kronecker": (Kronecker(Dense(spd(3), PSD), Diagonal(randn(2).abs())), Kronecker),
    "block": (Block([[Dense(spd(3), PSD), None], [None, Diagonal(randn(2).abs())]]), Block),
    "banded": (Banded(BANDS, [1, 0, -1], tags=PSD), Banded),
    "scaled": (Scaled(Banded(BANDS, [1, 0, -1], tags=PSD), 3.0), Scaled),
}


@pytest.mark.parametrize("name", FACTORS)
def test_cholesky(name):
    K, kind = FACTORS[name]
    L = cholesky(K)
    assert type(L) is kind
    assert "lower_triangular" in L.tags
    torch.testing.assert_close(L.dense(), torch.linalg.cholesky(K.dense()))


def test_cholesky_derivatives():
    d = BANDS[1:].clone().requires_grad_()
    A = spd(3).requires_grad_()

    def banded(d):
        above = torch.cat([d.new_zeros(1), d[1, :-1]])
        symmetric = torch.stack([above, d[0], d[1]])
        return cholesky(Banded(symmetric, [1, 0, -1], tags=PSD)).dense()

    def kronecker(A):
        return cholesky(Kronecker(Dense(A, PSD), Dense(0.5 * (A + A.mT), PSD))).dense()

    assert torch.autograd.gradcheck(banded, d)
    assert torch.autograd.gradcheck(lambda A: kronecker(0.5 * (A + A.mT)), A)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: eigh(Dense(torch.eye(2))), ValueError, "tagged symmetric or psd"),
        (lambda: eigh(torch.ones(2, 3)), ValueError, "square"),
        (lambda: eigh(torch.eye(2), 0), ValueError, "rank must be at least 1"),
        (lambda: eigh(torch.eye(2), method="krylov"), ValueError, "or a rank"),
        (lambda: eigh(torch.eye(2), 1, method="krylov", tol=0.0), ValueError, "tol must be"),
        (lambda: eigh(torch.eye(2), method="magic"), ValueError, "method must be one of"),
        (lambda: sqrt(Dense(torch.eye(2))), ValueError, "tagged psd"),
        (lambda: sqrt(torch.ones(2, 3)), ValueError, "square"),
        (lambda: sqrt(torch.eye(2), method="magic"), ValueError, "method must be one of"),
        (lambda: sqrt(-torch.eye(2)), torch.linalg.LinAlgError, "smallest eigenvalue is -1"),
        (
            lambda: sqrt(Dense(torch.eye(2, requires_grad=True), PSD), method="lanczos"),
            ValueError,
            "has no derivative",
        ),
        (lambda: cholesky(torch.ones(2, 3)), ValueError, "square"),
        (lambda: cholesky(Dense(torch.eye(2))), ValueError, "tagged symmetric or psd"),
        (lambda: cholesky(torch.zeros(2, 2)), torch.linalg.LinAlgError, "eigenvalue is 0"),
        (lambda: cholesky(Diagonal(-torch.ones(2))), torch.linalg.LinAlgError, "add noise"),
        (
            lambda: cholesky(Banded(-torch.ones(1, 2), [0], tags=PSD)),
            torch.linalg.LinAlgError,
            "not positive definite",
        ),
        (lambda: lanczos(Dense(torch.eye(2)), torch.ones(2, 1), steps=0), ValueError, "steps"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()
