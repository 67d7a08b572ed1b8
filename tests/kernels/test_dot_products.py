"""Kernels of dot products and angles against scikit-learn, closed forms and Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import kernels as sk
from sklearn.metrics import pairwise

from mercer.kernels import ArcCosine, Constant, Linear, Polynomial, White

rng = np.random.default_rng(1)
X, Y = rng.normal(size=(6, 3)), rng.normal(size=(4, 3))
TX, TY = torch.from_numpy(X), torch.from_numpy(Y)

CASES = {
    "Linear": (Linear(), pairwise.linear_kernel(X, Y)),
    "Linear with scale": (Linear([0.5, 1.0, 2.0]), (X * [0.25, 1.0, 4.0]) @ Y.T),
    "Polynomial 1": (Polynomial(1, 0.7, 0.4), 0.7 * X @ Y.T + 0.4),
    "Polynomial 4": (Polynomial(4, 0.7, 0.4), pairwise.polynomial_kernel(X, Y, 4, 0.7, 0.4)),
    "Polynomial 3, homogeneous": (Polynomial(3, 0.7, 0), (0.7 * X @ Y.T) ** 3),
    "Polynomial 20": (Polynomial(20, 0.1, 1.0), (0.1 * X @ Y.T + 1) ** 20),
    "Constant": (Constant(1.7), sk.ConstantKernel(1.7)(X, Y)),
    "White": (White(0.3), sk.WhiteKernel(0.3)(X, Y)),
}


@pytest.mark.parametrize("name", CASES)
def test_against_oracle(name: str) -> None:
    kernel, expected = CASES[name]
    np.testing.assert_allclose(kernel(TX, TY).dense().numpy(), expected, rtol=1e-11, atol=1e-13)


def test_white_is_of_the_index() -> None:
    np.testing.assert_allclose(White(0.3)(TX).dense().numpy(), sk.WhiteKernel(0.3)(X), rtol=1e-14)
    twice = torch.zeros(2, 3, dtype=torch.float64)
    assert White(0.3)(twice)[0, 1] == 0


@pytest.mark.parametrize("order", [0, 1, 2])
def test_arc_cosine_is_the_mean_over_gaussian_weights(order: int) -> None:
    w = rng.normal(size=(3, 400_000))
    X_, Y_ = X[:3], Y[:3]
    features = [np.heaviside(P @ w, 0.5) * (P @ w) ** order for P in (X_, Y_)]
    products = 2 * features[0][:, None] * features[1]  # [3, 3, draws]
    error = products.std(-1) / np.sqrt(w.shape[1])
    found = ArcCosine(order)(TX[:3], TY[:3]).dense().numpy()
    assert (np.abs(products.mean(-1) - found) < 5 * error).all()


@pytest.mark.parametrize("order", [0, 1, 2])
def test_arc_cosine_is_the_formula_of_the_paper(order: int) -> None:
    norms = np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(Y, axis=1)
    theta = np.arccos(X @ Y.T / norms)
    J = [
        np.pi - theta,
        np.sin(theta) + (np.pi - theta) * np.cos(theta),
        3 * np.sin(theta) * np.cos(theta) + (np.pi - theta) * (1 + 2 * np.cos(theta) ** 2),
    ][order]
    found = ArcCosine(order)(TX, TY).dense().numpy()
    np.testing.assert_allclose(found, norms**order * J / np.pi, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("order", "value"), [(0, 1.0), (1, 1.0), (2, 3.0)])
def test_arc_cosine_of_parallel_and_opposite_points(order: int, value: float) -> None:
    x = torch.tensor([[3.0], [6.0], [-3.0]], dtype=torch.float64)
    K = ArcCosine(order)(x).dense()
    assert K[0, 1].item() == pytest.approx(value * 18.0**order, rel=1e-14)
    assert K[0, 2].item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("order", "beside", "itself"), [(0, 0.5, 0.5), (1, 0, 0), (2, 0, 0)])
def test_arc_cosine_at_the_origin(order: int, beside: float, itself: float) -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    K = ArcCosine(order)(x).dense()
    assert K[0].tolist() == pytest.approx([itself, beside], abs=1e-15)
    (gradient,) = torch.autograd.grad(K.sum(), x, create_graph=True)
    assert gradient[0].tolist() == [0.0, 0.0]
    assert torch.isfinite(torch.autograd.grad(gradient.sum(), x, allow_unused=True)[0]).all()


def test_gradients_at_opposite_points_are_finite() -> None:
    for order in (0, 1, 2):
        x = torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(ArcCosine(order)(x).dense().sum(), x, create_graph=True)
        assert torch.isfinite(gradient).all()
        assert torch.isfinite(torch.autograd.grad(gradient.sum(), x)[0]).all()
