"""Sums, products, powers, multiples and what they are made of."""

from __future__ import annotations

import pytest
import torch

from mercer.kernels import RBF, Constant, Cosine, Laplace, Linear, Matern, Periodic, White
from mercer.kernels.entrywise import entrywise_product
from mercer.operators import Dense, KernelOperator, Sum

generator = torch.Generator().manual_seed(0)
X = torch.randn(6, 2, dtype=torch.float64, generator=generator)
Y = torch.randn(4, 2, dtype=torch.float64, generator=generator)


def square(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()


def test_expression_is_fused_into_one_operator() -> None:
    K = (2.0 * RBF() + Linear() * Periodic() + 0.5)(X, Y)
    assert isinstance(K, KernelOperator)
    s, chord = square(X, Y), (torch.pi * (X[:, None] - Y)).sin().square().sum(-1)
    expected = 2 * (-s / 2).exp() + (X @ Y.T) * (-2 * chord).exp() + 0.5
    torch.testing.assert_close(K.dense(), expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(K @ Y, expected @ Y, rtol=1e-12, atol=1e-13)


def test_white_in_a_sum_leaves_the_rest_fused() -> None:
    K = (RBF() + White(0.1) + Linear() + White(0.2))(X)
    assert isinstance(K, Sum)
    assert len(K.parts) == 2
    expected = (-square(X, X) / 2).exp() + X @ X.T + 0.3 * torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(K.dense(), expected, rtol=1e-12, atol=1e-13)
    assert isinstance((RBF() + White(0.1))(X, Y), KernelOperator)


def test_products_distribute_over_white() -> None:
    K = (RBF() + White(0.1)) * (Linear() + White(0.2)) * 3.0
    G, L, I = (-square(X, X) / 2).exp(), X @ X.T, torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(K(X).dense(), 3 * (G + 0.1 * I) * (L + 0.2 * I))
    power = (RBF() + White(0.1)) ** 3
    torch.testing.assert_close(power(X).dense(), (G + 0.1 * I) ** 3)
    torch.testing.assert_close(power(X, Y).dense(), (-1.5 * square(X, Y)).exp())


def test_active_dimensions_of_products() -> None:
    K = RBF(0.5, active_dimensions=[1]) * Laplace(active_dimensions=[0])
    expected = (-2 * square(X[:, 1:], Y[:, 1:])).exp() * (-(X[:, :1] - Y[:, 0]).abs()).exp()
    torch.testing.assert_close(K(X, Y).dense(), expected, rtol=1e-12, atol=1e-14)


def test_frequencies_of_products_and_active_dimensions() -> None:
    kernel = Cosine(2.0, active_dimensions=[2]) * Cosine(4.0, active_dimensions=[0])
    omega = kernel.frequencies(3, 3)
    expected = [[torch.pi / 2, 0.0, torch.pi]] * 3
    torch.testing.assert_close(omega, torch.tensor(expected, dtype=torch.float64))
    with pytest.raises(NotImplementedError, match="Linear has no spectral law"):
        (RBF() * Linear()).frequencies(3, 3)


def test_generator_decides_the_frequencies() -> None:
    draws = [
        (RBF() + 0.5 * Matern(nu=0.8)).frequencies(5, 2, torch.Generator().manual_seed(7))
        for _ in range(2)
    ]
    assert torch.equal(*draws)


def test_texts() -> None:
    kernel = (2 * RBF(lengthscale=0.5) + Linear()) * Periodic(period=3.0) ** 2
    assert repr(RBF(lengthscale=0.5)) == "RBF(lengthscale=0.5)"
    assert repr(Matern([1.0, 0.3], nu=1.5)) == "Matern(lengthscale=[1, 0.3], nu=1.5)"
    assert repr(kernel) == (
        "(2 * RBF(lengthscale=0.5) + Linear()) * Periodic(lengthscale=1, period=3) ** 2"
    )


def test_entrywise_product_says_what_it_cannot_do() -> None:
    with pytest.raises(NotImplementedError, match="of a Dense and a KernelOperator has no fast"):
        entrywise_product(Dense(torch.eye(6, dtype=torch.float64)), RBF()(X))


def test_exponent_must_be_whole() -> None:
    with pytest.raises(TypeError, match=r"exponent must be an integer, got 0\.5"):
        RBF() ** 0.5  # type: ignore[operator]
    with pytest.raises(ValueError, match="exponent must be at least 1, got 0"):
        RBF() ** 0


def test_number_in_a_sum_is_a_constant_kernel() -> None:
    torch.testing.assert_close((1.5 + RBF())(X, Y).dense(), (Constant(1.5) + RBF())(X, Y).dense())
