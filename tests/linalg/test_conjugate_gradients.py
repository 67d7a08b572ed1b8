"""Conjugate gradients against what theory says of them."""

import pytest
import torch
from matrices import F64, generator, randn, spd

from mercer.linalg import JacobiPreconditioner, conjugate_gradients, solve
from mercer.operators import Dense

PSD = {"symmetric", "psd"}


def test_as_many_steps_as_distinct_eigenvalues():
    Q = torch.linalg.qr(randn(50, 50)).Q
    values = torch.tensor([1.0, 4.0, 9.0], dtype=F64).repeat_interleave(17)[:50]
    A = (Q * values) @ Q.mT
    found = conjugate_gradients(Dense(A, PSD), randn(50, 1), tol=1e-10)
    assert found.iterations == 3


def test_error_obeys_the_chebyshev_bound():
    A, b = spd(200, condition=100.0), randn(200, 1)
    x = torch.linalg.solve(A, b)

    def energy(e):
        return float((e.mT @ A @ e).sqrt())

    rate = (100**0.5 - 1) / (100**0.5 + 1)
    for k in (5, 10, 20, 40):
        found = conjugate_gradients(Dense(A, PSD), b, tol=1e-300, max_iterations=k)
        assert found.iterations == k
        assert energy(found.x - x) <= 2 * rate**k * energy(x) * (1 + 1e-9)


def test_columns_stop_one_by_one():
    """A column that is done is left alone: it ends where it would alone."""
    A = spd(60, condition=1e3)
    V = torch.linalg.eigh(A).eigenvectors
    B = torch.stack([V[:, 0], randn(60), torch.zeros(60, dtype=F64)], dim=1)
    K = Dense(A, PSD)
    together = conjugate_gradients(K, B, tol=1e-9)
    alone = conjugate_gradients(K, B[:, :1], tol=1e-9)
    assert alone.iterations == 1
    assert together.iterations > 20
    torch.testing.assert_close(together.x[:, :1], alone.x, rtol=1e-12, atol=1e-12)
    assert torch.equal(together.x[:, 2], B[:, 2])
    assert bool(together.converged.all())


def test_residual_is_the_true_one():
    A, B = spd(30), randn(30, 2)
    found = conjugate_gradients(Dense(A, PSD), B, tol=1e-3)
    true = torch.linalg.vector_norm(A @ found.x - B, dim=0) / torch.linalg.vector_norm(B, dim=0)
    torch.testing.assert_close(found.residual, true)
    assert float(true.max()) <= 1e-3


def test_start():
    A, B = spd(30), randn(30, 2)
    x = torch.linalg.solve(A, B)
    assert conjugate_gradients(Dense(A, PSD), B, tol=1e-9, x0=x).iterations == 0


def test_jacobi_undoes_a_bad_scaling():
    scale = torch.logspace(0, 4, 40, dtype=F64)
    A = scale[:, None] * spd(40, condition=4.0) * scale
    K = Dense(A, PSD)
    b = randn(40, 1)
    good = conjugate_gradients(K, b, tol=1e-8, preconditioner=JacobiPreconditioner(K))
    bad = conjugate_gradients(K, b, tol=1e-8)
    assert bool(good.converged.all())
    assert good.iterations < 40 < bad.iterations


def test_operator_that_is_not_definite_ends():
    A = torch.diag(torch.tensor([1.0, -1.0], dtype=F64))
    found = conjugate_gradients(Dense(A), torch.ones(2, 1, dtype=F64), tol=1e-8)
    assert not bool(found.converged.any())


def test_tolerance_is_checked():
    with pytest.raises(ValueError, match="tol must be positive"):
        conjugate_gradients(Dense(spd(3), PSD), torch.ones(3, 1, dtype=F64), tol=0.0)


def test_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    solve(Dense(spd(20), PSD), randn(20), method="cg")
    assert torch.equal(before, torch.get_rng_state())
    one, two = (solve(Dense(spd(20), PSD), randn(20), method="cg").x for _ in range(2))
    assert torch.equal(one, two)
    other = solve(Dense(spd(20), PSD), randn(20), method="cg", generator=generator(7)).x
    torch.testing.assert_close(one, other, rtol=0, atol=1e-7)
