"""Stationary kernels against scikit-learn, SciPy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import torch
from scipy.spatial.distance import cdist
from sklearn.gaussian_process import kernels as sk
from sklearn.metrics import pairwise

from mercer.kernels import (
    RBF,
    Cauchy,
    Cosine,
    InverseMultiquadric,
    Laplace,
    Matern,
    Periodic,
    RationalQuadratic,
    SpectralMixture,
    Wendland,
)

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))
R = cdist(X, Y)
TX, TY = torch.from_numpy(X), torch.from_numpy(Y)
ARD = [0.5, 1.3, 2.0]
MATERN = [0.3, 0.5, 0.77, 1.0, 1.5, 2.0, 2.5, 3.5, 4.9, 6.5, 12.5]

CASES = {
    "RBF": (RBF(0.8), sk.RBF(0.8)(X, Y)),
    "RBF, one lengthscale a coordinate": (RBF(ARD), sk.RBF(ARD)(X, Y)),
    "RBF, active": (RBF(0.8, active_dimensions=[2, 0]), sk.RBF(0.8)(X[:, [2, 0]], Y[:, [2, 0]])),
    **{f"Matern {nu}": (Matern(0.8, nu), sk.Matern(0.8, nu=nu)(X, Y)) for nu in MATERN},
    "RationalQuadratic": (RationalQuadratic(0.8, 1.7), sk.RationalQuadratic(0.8, 1.7)(X, Y)),
    "RationalQuadratic, alpha large": (
        RationalQuadratic(0.8, 1e9),
        np.exp(-1e9 * np.log1p(R**2 / 0.8**2 / 2e9)),
    ),
    "Laplace": (Laplace(0.8), np.exp(-R / 0.8)),
    "Laplace, L1": (Laplace(0.8, norm="l1"), pairwise.laplacian_kernel(X, Y, gamma=1 / 0.8)),
    "InverseMultiquadric": (InverseMultiquadric(0.8), 1 / np.sqrt(1 + R**2 / 0.8**2)),
    "Cauchy": (Cauchy(0.8), 1 / (1 + R**2 / 0.8**2)),
    "Cosine": (Cosine(ARD), np.cos(2 * np.pi * ((X[:, None] - Y) / ARD).sum(-1))),
    "Wendland 0": (Wendland(3.0, 0), np.maximum(1 - R / 3, 0) ** 2),
    "Wendland 1": (Wendland(3.0, 1), np.maximum(1 - R / 3, 0) ** 4 * (4 * R / 3 + 1)),
    "Wendland 2": (
        Wendland(3.0, 2),
        np.maximum(1 - R / 3, 0) ** 6 * (35 * (R / 3) ** 2 + 18 * R / 3 + 3) / 3,
    ),
    "Wendland 3": (
        Wendland(3.0, 3),
        np.maximum(1 - R / 3, 0) ** 8 * (32 * (R / 3) ** 3 + 25 * (R / 3) ** 2 + 8 * R / 3 + 1),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_against_oracle(name: str) -> None:
    kernel, expected = CASES[name]
    np.testing.assert_allclose(kernel(TX, TY).dense().numpy(), expected, rtol=1e-11, atol=1e-14)
    v = rng.normal(size=(5, 2))
    product = kernel(TX, TY) @ torch.from_numpy(v)
    np.testing.assert_allclose(product.numpy(), expected @ v, rtol=1e-10, atol=1e-12)


def test_periodic_is_exp_sine_squared_on_a_line() -> None:
    x, y = X[:, :1], Y[:, :1]
    expected = sk.ExpSineSquared(1.2, 2.3)(x, y)
    found = Periodic(1.2, period=2.3)(TX[:, :1], TY[:, :1]).dense()
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_periodic_multiplies_over_coordinates() -> None:
    angle = np.pi * (X[:, None] - Y) / [1.0, 2.0, 3.0]
    expected = np.exp(-2 * (np.sin(angle) ** 2 / np.square(ARD)).sum(-1))
    found = Periodic(ARD, period=[1.0, 2.0, 3.0])(TX, TY).dense()
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_spectral_mixture_is_equation_12() -> None:
    w, mu = np.array([0.7, 1.2]), rng.normal(size=(2, 3))
    v = rng.uniform(0.01, 0.1, size=(2, 3))
    tau = X[:, None] - Y
    expected = sum(
        w[q] * np.exp(-2 * np.pi**2 * (tau**2 * v[q]).sum(-1)) * np.cos(2 * np.pi * tau @ mu[q])
        for q in range(2)
    )
    kernel = SpectralMixture(*map(torch.from_numpy, (w, mu, v)))
    np.testing.assert_allclose(kernel(TX, TY).dense().numpy(), expected, rtol=1e-11, atol=1e-13)


def test_matern_of_any_order_meets_scipy_over_all_distances() -> None:
    z = np.logspace(-6, 2.5, 60)
    x = torch.from_numpy(z)[:, None]
    origin = torch.zeros(1, 1, dtype=torch.float64)
    for nu in (0.2, 0.9, 2.2, 17.3):
        found = Matern(np.sqrt(2 * nu).item(), nu)(x, origin).dense()[:, 0].numpy()
        expected = 2 ** (1 - nu) / scipy.special.gamma(nu) * z**nu * scipy.special.kv(nu, z)
        np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.parametrize("nu", [0.7, 2.5])
def test_matern_in_single_precision(nu: float) -> None:
    exact = Matern(nu=nu)(TX, TY).dense()
    found = Matern(nu=nu)(TX.float(), TY.float()).dense()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=3e-6, atol=0)


def test_matern_profile_is_bessel_for_half_integers_too() -> None:
    for nu in (0.5, 3.5, 10.5):
        near = Matern(nu=nu * (1 + 1e-13))(TX, TY).dense()  # no half integer: the Bessel integral
        torch.testing.assert_close(near, Matern(nu=nu)(TX, TY).dense(), rtol=1e-10, atol=0)


def test_wendland_vanishes_beyond_its_support() -> None:
    x = torch.tensor([[0.0], [2.0], [1.999999]], dtype=torch.float64)
    row = Wendland(2.0, 2)(x)[0]
    assert row[1] == 0
    assert 0 <= row[2] < 1e-12


def test_wendland_refuses_too_many_coordinates() -> None:
    with pytest.raises(ValueError, match="dimension must be at least 4 for points of 4 coord"):
        Wendland(dimension=3)(torch.zeros(2, 4))


@pytest.mark.parametrize("dimension", [1, 4, 7])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_wendland_is_the_iterated_integral(order: int, dimension: int) -> None:
    ell = dimension // 2 + order + 1
    nodes, weights = np.polynomial.legendre.leggauss(40)

    def integral(radius: float) -> float:
        """The nested integrals as one, up to a factor: Cauchy's formula in the variable r^2."""
        if order == 0:
            return (1 - radius) ** ell
        u = (1 - radius) * (nodes + 1) / 2 + radius
        f = (u**2 - radius**2) ** (order - 1) * u * (1 - u) ** ell
        return (1 - radius) * float(weights @ f)

    expected = [integral(radius) / integral(0.0) for radius in (0.2, 0.7)]
    x = torch.zeros(3, dimension, dtype=torch.float64)
    x[1, 0], x[2, 0] = 0.2, 0.7
    row = Wendland(1.0, order, dimension)(x)[0]
    np.testing.assert_allclose(row[1:].numpy(), expected, rtol=1e-11)
