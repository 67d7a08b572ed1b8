"""Projection vectors: their marginal law, their coupling, and the conformity of a pair."""

import mpmath
import numpy as np
import pytest
import scipy.stats
import torch

from mercer.features.random.conformity import conformity_deficit
from mercer.features.random.isotropic import coupled_frequencies
from mercer.features.random.projections import (
    COUPLINGS,
    gaussian_projections,
    haar,
    pairs_in_blocks,
)
from mercer.kernels import RBF, Laplace, Matern, SpectralMixture

D = 5
SMALLEST = 1e-4  # p-value; seeds are fixed, a right law fails once in ten thousand


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def blocks(coupling, draws=2000, d=D):
    return gaussian_projections(draws * d, d, coupling, generator()).reshape(draws, d, d).numpy()


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_each_vector_is_standard_normal(coupling):
    w = blocks(coupling)
    direction = np.linspace(1, 2, D) / np.linalg.norm(np.linspace(1, 2, D))
    for i in (0, 1, D - 1):  # the first and the last to be moved by the iteration of simplex+
        for values in (w[:, i, 0], w[:, i, -1], w[:, i] @ direction):
            assert scipy.stats.kstest(values, "norm").pvalue > SMALLEST
        norms = np.linalg.norm(w[:, i], axis=1)
        assert scipy.stats.kstest(norms, scipy.stats.chi(D).cdf).pvalue > SMALLEST
        # Norm and direction of one vector are independent.
        assert abs(np.corrcoef(norms, np.abs(w[:, i, 0]) / norms)[0, 1]) < 4 / np.sqrt(len(w))


def test_rotations_are_uniform():
    R = haar(4000, 4, generator()).numpy()
    np.testing.assert_allclose(R @ R.transpose(0, 2, 1), np.eye(4) + np.zeros((4000, 1, 1)),
                               atol=1e-13)  # fmt: skip
    beta = scipy.stats.beta(1.5, 1.5, loc=-1, scale=2)  # of one coordinate on the sphere, d = 4
    for entry in (R[:, 0, 0], R[:, 3, 3], R[:, 1, 2]):
        assert scipy.stats.kstest(entry, beta.cdf).pvalue > SMALLEST
    # The trace of a uniform orthogonal matrix has mean 0 and variance 1.
    trace = R.trace(axis1=1, axis2=2)
    assert abs(trace.mean()) < 4 / np.sqrt(4000)
    assert abs(trace.var() - 1) < 0.1


@pytest.mark.parametrize(("coupling", "cosine"), [("orthogonal", 0.0), ("simplex", -1 / (D - 1))])
def test_angles_within_a_block(coupling, cosine):
    w = blocks(coupling, draws=10)
    u = w / np.linalg.norm(w, axis=2, keepdims=True)
    wanted = (1 - cosine) * np.eye(D) + cosine
    np.testing.assert_allclose(u @ u.transpose(0, 2, 1) - wanted, 0, atol=1e-13)


def test_simplex_plus_balances_the_vectors_of_a_block():
    w = blocks("simplex+", draws=500, d=8)
    assert np.median(np.linalg.norm(w.sum(axis=1), axis=1)) < 1e-2
    assert np.median(np.linalg.norm(blocks("simplex", 500, 8).sum(axis=1), axis=1)) > 0.5


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize(("count", "d"), [(1, 1), (3, 1), (2, 2), (5, 2), (3, 7), (17, 7), (4, 3)])
def test_blocks_are_cut(coupling, count, d):
    w = gaussian_projections(count, d, coupling, generator())
    assert w.shape == (count, d)
    assert w.dtype == torch.float64
    assert bool((w.isfinite() & (w != 0)).all())
    together = [i // d == j // d for i in range(count) for j in range(count) if i != j]
    assert pairs_in_blocks(count, d) == sum(together)


@pytest.mark.parametrize("coupling", COUPLINGS[1:])
def test_blocks_are_independent(coupling):
    w = gaussian_projections(6000, 3, coupling, generator()).reshape(1000, 6, 3)
    across = torch.einsum("bid,bjd->bij", w[:, :3], w[:, 3:])  # mean 0, variance 3
    assert float(across.mean(0).abs().max()) < 4.5 * (3 / 1000) ** 0.5
    norms = w.norm(dim=2).numpy()
    assert abs(np.corrcoef(norms[:, 0], norms[:, 3])[0, 1]) < 4 / np.sqrt(1000)


@pytest.mark.parametrize("coupling", ["orthogonal", "simplex"])
@pytest.mark.parametrize(("d", "v2"), [(2, 1.0), (3, 0.0), (3, 9.0), (8, 0.01), (64, 1.0)])
def test_conformity_is_the_series_of_gamma_functions(coupling, d, v2):
    cosine = 0 if coupling == "orthogonal" else -mpmath.mpf(1) / (d - 1)
    with mpmath.workdps(50):
        wanted = 1 - _conformity(mpmath.mpf(v2), d, cosine) * mpmath.exp(-mpmath.mpf(v2))
    found = conformity_deficit(torch.tensor(v2, dtype=torch.float64), d, coupling)
    assert float(found) == pytest.approx(float(wanted), rel=1e-12, abs=2e-15)


def _conformity(v2, d, cosine):
    """The double series: Gamma functions over moments of two chi-distributed norms."""
    half, rho = mpmath.mpf(d) / 2, mpmath.mpf(0)
    terms = 90 if v2 > 1 else 40
    products = [
        mpmath.beta(half + mpmath.mpf(p) / 2, half + mpmath.mpf(p) / 2) for p in range(terms)
    ]
    for k in range(terms):
        moment = sum(  # of |w_1 + w_2|^2k
            mpmath.binomial(k, p) * (2 * cosine) ** p * products[p]
            for p in range(k + 1 if cosine else 1)
        )
        moment *= 2**k * mpmath.rf(d, k) / products[0]
        rho += v2**k * moment / (4**k * mpmath.factorial(k) * mpmath.rf(half, k))
    return rho


def test_conformity_in_many_dimensions_and_far_out():
    # For large d a pair differs from an independent one by E w_1 . w_2, about -1, along z.
    v2 = torch.tensor(1.0)
    assert float(conformity_deficit(v2, 5000, "simplex")) * 5000 == pytest.approx(1.5, rel=0.01)
    assert float(conformity_deficit(torch.tensor(2000.0), 8, "simplex")) == pytest.approx(1)
    assert conformity_deficit(torch.zeros(0, 2), 8, "simplex").shape == (0, 2)
    with pytest.raises(ValueError, match="coupling must be one of orthogonal, simplex"):
        conformity_deficit(v2, 8, "simplex+")
    with pytest.raises(ValueError, match="v2 must be at most"):
        conformity_deficit(torch.tensor(1e7), 8, "simplex")


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_coupled_frequencies_keep_the_law(coupling):
    lengthscale = np.array([0.5, 2.0, 1.0])
    kernel = 3.0 * Matern(lengthscale, nu=1.5)
    omega = coupled_frequencies(kernel, 3000, 3, coupling, generator()).numpy() * lengthscale
    for i in range(3):
        law = scipy.stats.t(3)  # a coordinate of the multivariate t with 2 nu degrees of freedom
        assert scipy.stats.kstest(omega[i::3, i], law.cdf).pvalue > SMALLEST
    cosine = {"orthogonal": 0.0, "simplex": -0.5}.get(coupling)
    if cosine is not None:
        u = omega[:3] / np.linalg.norm(omega[:3], axis=1, keepdims=True)
        np.testing.assert_allclose((u @ u.T)[np.triu_indices(3, 1)], cosine, atol=1e-12)


def test_coupling_within_the_coordinates_that_a_kernel_reads():
    kernel = RBF(active_dimensions=[0, 2]) * RBF(2.0, active_dimensions=[0, 2])
    omega = coupled_frequencies(kernel, 4, 3, "orthogonal", generator())
    assert bool((omega[:, 1] == 0).all())
    gram = omega @ omega.mT
    assert float(gram[0, 1].abs() + gram[2, 3].abs()) < 1e-12


@pytest.mark.parametrize(
    "kernel",
    [
        Laplace(norm="l1"),
        SpectralMixture([1.0], [[0.1, 0.2]], [[1.0, 1.0]]),
        RBF([1.0, 2.0]) + RBF(1.0),
    ],
)
def test_a_law_that_is_not_isotropic_is_refused(kernel):
    with pytest.raises(ValueError, match='coupling must be "independent"'):
        coupled_frequencies(kernel, 4, 2, "orthogonal", generator())


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="coupling must be one of independent, orthogonal"):
        gaussian_projections(4, 2, "orthonormal")
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        gaussian_projections(0, 2)
