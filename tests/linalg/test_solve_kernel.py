"""Solving with a kernel operator that is never formed, against its dense matrix."""

import pytest
import torch
from matrices import F64, generator, randn

from mercer.kernels import RBF
from mercer.linalg import askotch, logdet, partial_cholesky, solve
from mercer.operators import Identity

X = torch.rand(60, 2, generator=generator(), dtype=F64)
B = randn(60, 2)


@pytest.mark.parametrize("method", [None, "cg", "sketch", "normal"])
def test_solve(method):
    K = RBF(lengthscale=0.5)(X) + 0.1 * Identity(60)
    gram = torch.exp(-torch.cdist(X, X).square() / (2 * 0.5**2))
    expected = torch.linalg.solve(gram + 0.1 * torch.eye(60, dtype=F64), B)
    found = solve(K, B, method=method)
    torch.testing.assert_close(found.x, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["cg", "cholesky"])
def test_gradient_reaches_the_lengthscale_and_the_points(method):
    points = X[:12].clone().requires_grad_()
    lengthscale = torch.tensor(0.5, dtype=F64, requires_grad=True)
    noise = torch.tensor(0.3, dtype=F64, requires_grad=True)

    def loss(points, lengthscale, noise):
        K = RBF(lengthscale=lengthscale)(points) + noise * Identity(12)
        return solve(K, B[:12], method=method, tol=1e-13).x.square().sum()

    def dense_loss(points, lengthscale, noise):
        square = (points[:, None] - points[None]).square().sum(-1)
        A = torch.exp(-square / (2 * lengthscale**2)) + noise * torch.eye(12, dtype=F64)
        return torch.linalg.solve(A, B[:12]).square().sum()

    inputs = (points, lengthscale, noise)
    found = torch.autograd.grad(loss(*inputs), inputs, create_graph=True)
    expected = torch.autograd.grad(dense_loss(*inputs), inputs, create_graph=True)
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)
    second = torch.autograd.grad(sum(g.sum() for g in found), inputs)
    expected = torch.autograd.grad(sum(g.sum() for g in expected), inputs)
    for one, other in zip(second, expected):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_gradient_reaches_the_parameters_of_the_module():
    kernel = RBF(lengthscale=0.5).requires_grad_()
    parameters = list(kernel.parameters())
    assert parameters

    def loss(method):
        K = kernel(X[:12]) + 0.3 * Identity(12)
        return solve(K, B[:12], method=method, tol=1e-13).x.square().sum()

    found = torch.autograd.grad(loss("cg"), parameters)
    expected = torch.autograd.grad(loss("cholesky"), parameters)
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


def test_parts_of_the_matrix():
    K = RBF(lengthscale=0.5)(X)
    F, pivots, _ = partial_cholesky(K, 20)
    torch.testing.assert_close((F @ F.mT)[:, pivots], K.dense()[:, pivots], rtol=0, atol=1e-9)
    state = askotch(K, 0.1, B, tol=1e-8, block_size=20)
    A = K.dense() + 0.1 * torch.eye(60, dtype=F64)
    torch.testing.assert_close(state.w, torch.linalg.solve(A, B), rtol=0, atol=1e-5)
    value = logdet(K + 0.1 * Identity(60), method="lanczos", probes=100)
    torch.testing.assert_close(value, torch.logdet(A), rtol=1e-3, atol=1e-3)
