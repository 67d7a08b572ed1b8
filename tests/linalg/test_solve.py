"""``solve`` without structure: methods, iterations, derivatives, refusals."""

import sys
import warnings

import pytest
import torch
from matrices import F64, gaussian_gram, generator, randn, spd

from mercer.linalg import (
    ConvergenceWarning,
    JacobiPreconditioner,
    NystromPreconditioner,
    RandomlyPivotedCholesky,
    solve,
)
from mercer.operators import Dense, Diagonal, Identity, Operator, Toeplitz

PSD = {"symmetric", "psd"}


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("method", [None, "cholesky", "lu", "cg", "normal", "sketch"])
def test_psd_by_every_method(method, dtype):
    A = spd(40, dtype=dtype)
    K = Dense(A - 0.5 * torch.eye(40, dtype=dtype), PSD) + 0.5 * Identity(40)
    b = randn(40, 3, dtype=dtype)
    found = solve(K, b, method=method, generator=generator())
    expected = torch.linalg.solve(A.double(), b.double())
    tol = 1e-5 if dtype == torch.float32 else 1e-10
    direct = method in (None, "cholesky", "lu")
    assert found.converged
    assert found.residual < (1e-5 if dtype == torch.float32 else 1e-10)
    # An error is at most the residual times the condition number, 100.
    torch.testing.assert_close(found.x.double(), expected, rtol=0, atol=1e3 * tol)
    assert (found.iterations == 0) == direct
    assert (method or "Cholesky") in found.explain


@pytest.mark.parametrize("method", [None, "lu", "normal"])
def test_not_symmetric(method):
    A = spd(20, condition=5.0) + 0.3 * randn(20, 20, seed=3).triu(1)
    b = randn(20)
    found = solve(Dense(A), b, method=method)
    torch.testing.assert_close(found.x, torch.linalg.solve(A, b), rtol=1e-7, atol=1e-8)
    assert found.residual < 1e-10


@pytest.mark.parametrize("method", ["cholesky", "lu", "cg", "normal"])
def test_batches_broadcast(method):
    A = spd(6, 3, condition=10.0)
    B = randn(2, 1, 6, 2)
    found = solve(Dense(A, PSD), B, method=method)
    torch.testing.assert_close(found.x, torch.linalg.inv(A) @ B, rtol=1e-7, atol=1e-8)
    b = randn(6, seed=2)
    torch.testing.assert_close(
        solve(Dense(A, PSD), b, method=method).x, torch.linalg.inv(A) @ b, rtol=1e-7, atol=1e-8
    )


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("c", [0, 1])
@pytest.mark.parametrize("method", [None, "lu", "cg", "normal", "sketch"])
def test_tiny(n, c, method):
    if n == 0 and method == "sketch":
        pytest.skip("no rows to draw")
    K = Dense(torch.eye(n, dtype=F64), PSD) + 1.0 * Identity(n)
    found = solve(K, torch.ones(n, c, dtype=F64), method=method)
    torch.testing.assert_close(found.x, torch.full((n, c), 0.5, dtype=F64))
    assert found.residual < 1e-10


def test_batch_of_square_right_hand_sides_is_not_vectors():
    """``[n, c]`` beside a batch of ``n`` matrices is a matrix, also where the numbers agree."""
    A = randn(3, 4, 4) + 4 * torch.eye(4, dtype=F64)
    B = randn(4, 4, seed=5)
    torch.testing.assert_close(solve(Dense(A), B).x, torch.linalg.inv(A) @ B)
    A, B = randn(4, 4, 4) + 4 * torch.eye(4, dtype=F64), randn(4, 4, seed=5)
    torch.testing.assert_close(solve(Dense(A), B).x, torch.linalg.inv(A) @ B)


def test_zero_right_hand_side():
    K = Dense(spd(10), PSD)
    for method in ("cholesky", "cg", "normal"):
        found = solve(K, torch.zeros(10, dtype=F64), method=method)
        assert torch.equal(found.x, torch.zeros(10, dtype=F64))
        assert found.converged


@pytest.mark.parametrize("method", ["cg", "sketch"])
def test_iterative_derivatives_of_psd(method):
    n = 6 if method == "cg" else 3
    X = torch.rand(n, 2, generator=generator(), dtype=F64)
    b, noise = randn(n, 1), torch.tensor(0.5, dtype=F64)

    def x(X, b, noise):
        gram = torch.exp(-(X[:, None] - X[None]).square().sum(-1))
        K = Dense(gram, PSD) + noise * Identity(n)
        return solve(K, b, method=method, tol=1e-13, generator=generator()).x

    inputs = [t.requires_grad_() for t in (X, b, noise)]
    # The sketch of the adjoint solve draws on: two runs agree to the tolerance, not to the bit.
    assert torch.autograd.gradcheck(x, inputs, nondet_tol=1e-9)
    assert torch.autograd.gradgradcheck(x, inputs, atol=1e-4, nondet_tol=1e-9)


def test_iterative_derivatives_not_symmetric():
    A = (spd(6, condition=5.0) + randn(6, 6, seed=3).triu(1)).requires_grad_()
    b = randn(6, 2).requires_grad_()

    def x(A, b):
        return solve(Dense(A), b, method="normal", tol=1e-13).x

    assert torch.autograd.gradcheck(x, (A, b))
    assert torch.autograd.gradgradcheck(x, (A, b), atol=1e-4)


def test_derivative_where_one_tensor_is_made_of_another():
    """Both tensors of the operator depend on ``t``, and one on the other; nothing counts twice."""
    t = randn(5).abs().requires_grad_()

    def x(t, method):
        d = t.square() + 1
        K = Dense(torch.outer(d, d), PSD) + Diagonal(d)
        return solve(K, torch.ones(5, dtype=F64), method=method, tol=1e-13).x.sum()

    (expected,) = torch.autograd.grad(x(t, "cholesky"), t)
    (found,) = torch.autograd.grad(x(t, "cg"), t)
    torch.testing.assert_close(found, expected)


def test_hidden_tensor_is_refused():
    class Hidden(Operator):
        """Keeps its tensor in a closure, where nothing can find it."""

        def __init__(self, matrix):
            super().__init__(matrix.shape, matrix.dtype, matrix.device, PSD)
            self.read = lambda: matrix

        def _matmul(self, V):
            return self.read() @ V

        def _adjoint(self):
            return self

        def _entries(self, i, j):
            return self.read()[i, j]

    A = spd(4).requires_grad_()
    with pytest.raises(TypeError, match="not kept in an attribute"):
        solve(Hidden(A), torch.ones(4, dtype=F64), method="cg")
    assert solve(Hidden(A.detach()), torch.ones(4, dtype=F64), method="cg").converged


@pytest.mark.parametrize(
    "make",
    [
        lambda K: RandomlyPivotedCholesky(K, 40, generator=generator()),
        lambda K: NystromPreconditioner(K, 40, generator=generator()),
    ],
)
def test_preconditioner_saves_iterations(make):
    K = Dense(gaussian_gram(300), PSD) + 1e-4 * Identity(300)
    b = randn(300)
    plain = solve(K, b, preconditioner=JacobiPreconditioner(K), tol=1e-8)
    good = solve(K, b, preconditioner=make(K), tol=1e-8)
    assert good.converged
    assert good.iterations < plain.iterations / 3
    expected = torch.linalg.solve(K.dense(), b)
    torch.testing.assert_close(good.x, expected, rtol=0, atol=1e-2)
    assert type(make(K)).__name__ in good.explain


def test_large_psd_goes_to_conjugate_gradients(monkeypatch):
    monkeypatch.setattr(sys.modules["mercer.linalg.solve"], "SMALL", 100)
    gram = gaussian_gram(150)
    K = Dense(gram, PSD) + 1e-3 * Identity(150)
    found = solve(K, torch.ones(150, dtype=F64), generator=generator())
    assert "conjugate gradients: psd and n > 100" in found.explain
    assert "randomly pivoted Cholesky" in found.explain
    with pytest.raises(ValueError, match="method='normal'"):
        solve(Dense(gram), torch.ones(150, dtype=F64))
    T = Toeplitz(0.9 ** torch.arange(150, dtype=F64), tags={"psd"})
    found = solve(T, torch.ones(150, dtype=F64))
    assert "preconditioned by a circulant" in found.explain
    assert found.iterations < 15
    torch.testing.assert_close(
        found.x, torch.linalg.solve(T.dense(), torch.ones(150, dtype=F64)), rtol=1e-8, atol=1e-8
    )


@pytest.mark.parametrize("noise", [10.0, 0.1])
def test_float32_is_as_good_as_float32_can_be(noise):
    """Held against LU in float32, which is backward stable."""
    K = Dense(gaussian_gram(300, dtype=torch.float32), PSD) + noise * Identity(300)
    A, b = K.dense().double(), randn(300, 4, dtype=torch.float32).double()

    def residual(x):
        return float((torch.linalg.vector_norm(A @ x - b, dim=0) / b.norm(dim=0)).max())

    limit = residual(torch.linalg.solve(A.float(), b.float()).double())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = solve(K, b.float(), method="cg")
    assert residual(found.x.double()) < max(1.1e-5, 2 * limit)
    assert found.converged == (noise == 10.0)
    assert found.residual == pytest.approx(residual(found.x.double()), rel=0.5)


def test_failure_is_told():
    K = Dense(spd(50, condition=1e6), PSD)
    with pytest.warns(ConvergenceWarning, match="stopped after 3 iterations"):
        found = solve(K, randn(50), preconditioner=JacobiPreconditioner(K), max_iterations=3)
    assert not found.converged
    assert found.residual > 1e-10
    assert found.iterations == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert solve(K, randn(50)).converged


def test_not_positive_definite_names_the_smallest_eigenvalue():
    A = torch.diag(torch.tensor([2.0, -0.25]))
    with pytest.raises(torch.linalg.LinAlgError, match=r"eigenvalue is -0\.25; add noise"):
        solve(Dense(A, PSD), torch.ones(2))


K2 = Dense(torch.eye(2), PSD)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: solve(K2, torch.tensor([1.0, float("nan")])), ValueError, "b has NaN at index 1"),
        (lambda: solve(K2, torch.tensor([[1.0], [float("inf")]])), ValueError, "infinity at row 1"),
        (lambda: solve(K2, torch.ones(3)), ValueError, r"b needs shape \(2,\)"),
        (lambda: solve(K2, torch.ones(())), ValueError, "b needs shape"),
        (lambda: solve(K2, torch.ones(2, dtype=F64)), TypeError, "b is torch.float64"),
        (lambda: solve(K2, [1.0, 2.0]), TypeError, "b must be a torch.Tensor, got list"),
        (lambda: solve(torch.ones(2, 3), torch.ones(2)), ValueError, "square, got 2 x 3"),
        (lambda: solve(K2, torch.ones(2), method="magic"), ValueError, "method must be one of"),
        (lambda: solve(K2, torch.ones(2), tol=0.0), ValueError, "tol must be positive, got 0"),
        (lambda: solve(K2, torch.ones(2), tol=-1.0), ValueError, "tol must be positive, got -1"),
        (lambda: solve(torch.eye(2), torch.ones(2), method="cg"), ValueError, "not tagged psd"),
        (lambda: solve(K2, torch.ones(2), method="sketch"), ValueError, "one positive noise"),
        (
            lambda: solve(K2, torch.ones(2), method="lu", preconditioner=JacobiPreconditioner(K2)),
            ValueError,
            "a preconditioner is for method='cg'",
        ),
        (
            lambda: solve(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.ones(2), method="cholesky"),
            ValueError,
            "needs a symmetric matrix",
        ),
        (lambda: solve(K2, torch.ones(2), method="structure"), ValueError, "no exact rule"),
        (
            lambda: solve(torch.eye(2).bfloat16(), torch.ones(2).bfloat16()),
            TypeError,
            "float32 or float64",
        ),
        (
            lambda: solve(K2, torch.ones(2), method="cg", max_iterations=-1),
            ValueError,
            "max_iterations must be at least 0",
        ),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()
