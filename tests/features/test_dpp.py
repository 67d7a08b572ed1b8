"""Function spaces and determinantal processes against SciPy, enumeration and dppy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import torch
from torch import Tensor

from mercer.features.sampling import (
    DiscreteSpace,
    KernelBasis,
    KernelSpace,
    PolynomialBasis,
    PolynomialSpace,
    Space,
    TensorSpace,
    index_set,
    projection_dpp,
)
from mercer.kernels import RBF, Matern
from mercer.testing import check_feature_map


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def oracle(x: np.ndarray, size: int, measure: str) -> np.ndarray:
    """Orthonormal polynomials by SciPy: [..., size]."""
    if measure == "uniform":
        return np.stack(
            [math.sqrt(2 * k + 1) * scipy.special.eval_legendre(k, x) for k in range(size)], -1
        )
    return np.stack(
        [scipy.special.eval_hermitenorm(k, x) / math.sqrt(math.factorial(k)) for k in range(size)],
        -1,
    )


def law(measure: str) -> scipy.stats.rv_continuous:
    return scipy.stats.uniform(-1, 2) if measure == "uniform" else scipy.stats.norm()


def distribution(density, points: np.ndarray, low: float, high: float) -> np.ndarray:
    """A distribution function by the trapezoidal rule, at sorted points."""
    x = np.linspace(low, high, 40_001)
    cumulated = scipy.integrate.cumulative_trapezoid(density(x), x, initial=0)
    return np.interp(points, x, cumulated / cumulated[-1])


# -- spaces ------------------------------------------------------------------------------------


def test_index_sets_by_enumeration() -> None:
    everything = list(itertools.product(range(6), repeat=3))
    rules = {
        "total": lambda a: sum(a) <= 5,
        "hyperbolic": lambda a: math.prod(x + 1 for x in a) <= 6,
        "maximum": lambda a: max(a) <= 5,
    }
    for kind, rule in rules.items():
        assert index_set(5, 3, kind).tolist() == [list(a) for a in everything if rule(a)]


@pytest.mark.parametrize("measure", ["uniform", "gaussian"])
def test_polynomials_by_scipy(measure: str) -> None:
    x = np.linspace(-1, 1, 41) * (1 if measure == "uniform" else 4)
    values = PolynomialBasis(30, measure).values(torch.from_numpy(x))
    np.testing.assert_allclose(values, oracle(x, 30, measure), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("measure", ["uniform", "gaussian"])
def test_polynomial_space_is_a_feature_map(measure: str) -> None:
    g = generator(1)
    X, Y = (torch.rand(n, 2, generator=g, dtype=torch.float64) for n in (4, 5))
    indices = torch.tensor([[0, 0], [3, 1], [0, 2], [4, 0]])

    def products(Z: Tensor) -> np.ndarray:
        values = [oracle(Z[:, j].numpy(), 5, measure)[:, indices[:, j]] for j in range(2)]
        return values[0] * values[1]

    matrix = torch.from_numpy(products(X) @ products(Y).T)
    check_feature_map(
        lambda _: PolynomialSpace(indices, measure=measure), X, Y, matrix, draws=2, exact=True
    )


def test_eigenvalues_of_the_gaussian_kernel() -> None:
    # Rasmussen and Williams, equation 4.40, with a = 1/4 and b = 1 / (2 l^2).
    lengthscale, size = 0.7, 12
    a, b = 0.25, 1 / (2 * lengthscale**2)
    c = math.sqrt(a * a + 2 * a * b)
    ratio = b / (a + b + c)
    exact = math.sqrt(2 * a / (a + b + c)) * ratio ** np.arange(size)
    basis = KernelBasis(RBF(lengthscale), size, "gaussian")
    np.testing.assert_allclose(basis.eigenvalues, exact, rtol=1e-9)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    phi = np.exp(-(c - a) * x.numpy() ** 2)  # equation 4.41 for k = 0, up to scale
    first = basis.values(x)[:, 0].numpy()
    np.testing.assert_allclose(first / first[4], phi, rtol=1e-8)


def test_kernel_space_is_a_feature_map() -> None:
    # Eigenfunctions of the Gaussian kernel: equation 4.41 of Rasmussen and Williams.
    lengthscale, size = 0.9, 4
    b = 1 / (2 * lengthscale**2)
    c = math.sqrt(1 / 16 + b / 2)

    def eigenfunctions(x: Tensor) -> np.ndarray:
        z = 2 * math.sqrt(c) * x.numpy()  # He_k(sqrt(2) y) = 2^(-k/2) H_k(y)
        decay = np.exp(-(c - 0.25) * x.numpy()[..., None] ** 2)
        return (4 * c) ** 0.25 * decay * oracle(z, size, "gaussian")

    g = generator(16)
    X, Y = (torch.randn(n, 1, generator=g, dtype=torch.float64) for n in (4, 5))
    matrix = torch.from_numpy(eigenfunctions(X[:, 0]) @ eigenfunctions(Y[:, 0]).T)
    check_feature_map(
        lambda _: KernelSpace(RBF(lengthscale), size, measure="gaussian"),
        X,
        Y,
        matrix,
        draws=2,
        exact=True,
    )


def test_discrete_space_is_a_feature_map() -> None:
    g = generator(17)
    candidates = torch.rand(9, 2, generator=g, dtype=torch.float64)
    weights = torch.rand(9, generator=g, dtype=torch.float64) + 0.1
    X, Y = (torch.rand(n, 2, generator=g, dtype=torch.float64) for n in (4, 5))
    F, A, B = (np.stack([Z[:, 0] ** 0, *Z.numpy().T], -1) for Z in (candidates, X, Y))
    p = (weights / weights.sum()).numpy()
    matrix = torch.from_numpy(A @ np.linalg.inv(F.T @ (p[:, None] * F)) @ B.T)
    check_feature_map(
        lambda _: DiscreteSpace(PolynomialSpace(1, 2), candidates, weights),
        X,
        Y,
        matrix,
        draws=2,
        exact=True,
    )


def test_eigenvalues_of_products() -> None:
    space = KernelSpace(Matern(nu=1.5), 30, dimension=2)
    one = KernelBasis(Matern(nu=1.5), 30).eigenvalues.numpy()
    largest = np.sort(np.outer(one, one).flatten())[::-1][:30]
    np.testing.assert_allclose(space.eigenvalues, largest, rtol=1e-12)
    assert len(space.indices.unique(dim=0)) == 30


@pytest.mark.parametrize(
    "space",
    [
        PolynomialSpace(7),
        PolynomialSpace(5, 2, "gaussian", "hyperbolic"),
        KernelSpace(Matern(nu=1.5, lengthscale=0.5), 9),
        KernelSpace(RBF(0.8), 12, 2, "gaussian"),
    ],
)
def test_spaces_are_orthonormal(space: Space) -> None:
    # Gauss's rules of NumPy, of other nodes than those of the space.
    if space.basis.measure.name == "uniform":
        x, w = np.polynomial.legendre.leggauss(401)
        w = w / 2
    else:
        x, w = np.polynomial.hermite_e.hermegauss(120)
        w = w / w.sum()
    d = space.coordinates
    X = torch.from_numpy(np.stack(np.meshgrid(*[x] * d), -1).reshape(-1, d))
    weights = torch.from_numpy(np.stack(np.meshgrid(*[w] * d), -1).reshape(-1, d).prod(-1))
    phi = space(X)
    torch.testing.assert_close(
        phi.mT @ (weights[:, None] * phi),
        torch.eye(space.dimension, dtype=torch.float64),
        rtol=0,
        atol=1e-5,
    )
    X, weights = space.quadrature()
    assert abs(float((weights * space.christoffel(X)).sum()) - 1) < 1e-8


def test_rkhs_gram_of_eigenfunctions() -> None:
    # The H-norm of sqrt(lambda_j) phi_j is one, up to the quadrature.
    space = KernelSpace(RBF(0.8), 6, 2)
    root = space.eigenvalues.sqrt()
    gram = root[:, None] * space.rkhs_gram() * root
    torch.testing.assert_close(gram, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-6)


# -- the optimal measure -----------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["uniform", "gaussian"])
def test_optimal_measure_by_kolmogorov_smirnov(measure: str) -> None:
    m, low, high = 12, *((-1, 1) if measure == "uniform" else (-15, 15))
    x = PolynomialSpace(m - 1, measure=measure).sample_optimal(4000, generator(2))[:, 0].numpy()

    def density(t: np.ndarray) -> np.ndarray:
        return (oracle(t, m, measure) ** 2).mean(-1) * law(measure).pdf(t)

    assert scipy.stats.kstest(x, lambda t: distribution(density, t, low, high)).pvalue > 1e-3


def test_each_square_is_drawn_exactly() -> None:
    # Quantiles at given levels against quadrature by SciPy, an even one included.
    basis = PolynomialBasis(6, "gaussian")
    which = torch.arange(6).repeat_interleave(50)
    x = basis.sample_squares(which, generator(3)).numpy()
    level = torch.rand(300, generator=generator(3), dtype=torch.float64).numpy()
    for k, point, u in list(zip(which.tolist(), x, level))[::29]:
        below, _ = scipy.integrate.quad(
            lambda t, k=k: oracle(np.array(t), 6, "gaussian")[k] ** 2 * scipy.stats.norm.pdf(t),
            -14,
            point,
            limit=200,
            epsabs=1e-12,
        )
        assert abs(below - u) < 1e-10


def test_optimal_measure_in_two_dimensions() -> None:
    # phi = (x, y): the mixture of 3 x^2 and 3 y^2, whose coordinates are not independent.
    space = TensorSpace(PolynomialBasis(2), torch.tensor([[1, 0], [0, 1]]))
    X = space.sample_optimal(6000, generator(4)).numpy()
    square = X**2  # E x^2 = (3/5 + 1/3) / 2, E x^2 y^2 = 3/5 / 3
    error = square.mean(0) - (3 / 5 + 1 / 3) / 2
    assert np.all(np.abs(error) < 5 * square.std(0) / math.sqrt(6000))
    product = square.prod(1)
    assert abs(product.mean() - 0.2) < 5 * product.std() / math.sqrt(6000)


def test_mixture_of_measures() -> None:
    x = PolynomialSpace(2).sample(6000, 0.25, generator(5))[:, 0].numpy()

    def density(t: np.ndarray) -> np.ndarray:
        return (0.25 * (oracle(t, 3, "uniform") ** 2).mean(-1) + 0.75) / 2

    assert scipy.stats.kstest(x, lambda t: distribution(density, t, -1, 1)).pvalue > 1e-3


# -- determinantal processes -------------------------------------------------------------------


def candidates_space() -> DiscreteSpace:
    g = generator(6)
    x = torch.arange(7, dtype=torch.float64)[:, None]
    weights = 0.5 + torch.rand(7, generator=g, dtype=torch.float64)
    return DiscreteSpace(PolynomialSpace(2), x, weights)


def test_subsets_have_their_determinants() -> None:
    space, draws = candidates_space(), 8000
    K = (space.rows @ space.rows.mT).numpy()
    drawn = projection_dpp(space, generator(7), draws=draws)[..., 0].sort(-1).values.numpy()
    subsets = list(itertools.combinations(range(7), 3))
    exact = np.array([np.linalg.det(K[np.ix_(s, s)]) for s in subsets])
    assert abs(exact.sum() - 1) < 1e-12
    counts = np.array([(drawn == np.array(s)).all(1).sum() for s in subsets])
    assert counts.sum() == draws
    assert scipy.stats.chisquare(counts, draws * exact).pvalue > 1e-3


def test_order_is_exchangeable() -> None:
    space, draws = candidates_space(), 6000
    drawn = projection_dpp(space, generator(8), draws=draws)[..., 0].long().numpy()
    inclusion = (space.rows**2).sum(-1).numpy() / 3
    for place in range(3):
        counts = np.bincount(drawn[:, place], minlength=7)
        assert scipy.stats.chisquare(counts, draws * inclusion).pvalue > 1e-3


def test_inclusion_probabilities_against_dppy() -> None:
    from dppy.finite_dpps import FiniteDPP

    space, draws = candidates_space(), 1000
    process = FiniteDPP("correlation", projection=True, K_eig_dec=(np.ones(3), space.rows.numpy()))
    for seed in range(draws):
        process.sample_exact(random_state=seed)
    theirs = np.zeros((draws, 7))
    for row, sample in zip(theirs, process.list_of_samples):
        row[sample] = 1
    ours = np.zeros((draws, 7))
    drawn = projection_dpp(space, generator(9), draws=draws)[..., 0].long().numpy()
    np.put_along_axis(ours, drawn, 1, 1)
    difference = (ours.T @ ours - theirs.T @ theirs) / draws  # first and second order
    p = theirs.T @ theirs / draws
    assert np.all(np.abs(difference) < 4.5 * np.sqrt(2 * p * (1 - p) / draws) + 1e-12)


@pytest.mark.parametrize("measure", ["uniform", "gaussian"])
def test_marginal_on_the_line(measure: str) -> None:
    m, low, high = 6, *((-1, 1) if measure == "uniform" else (-13, 13))
    space = PolynomialSpace(m - 1, measure=measure)
    x = projection_dpp(space, generator(10), draws=1000)[:, :, 0].numpy()

    def density(t: np.ndarray) -> np.ndarray:
        return (oracle(t, m, measure) ** 2).mean(-1) * law(measure).pdf(t)

    # One point of each configuration: points of one repel each other.
    for place in (0, 3, 5):
        found = scipy.stats.kstest(x[:, place], lambda t: distribution(density, t, low, high))
        assert found.pvalue > 1e-3


@pytest.mark.parametrize("measure", ["uniform", "gaussian"])
def test_second_order_on_the_line(measure: str) -> None:
    # The variance of sum_i f(x_i) is tr(M_ff) - tr(M_f^2), M_f the matrix of products with f.
    m, draws = 8, 2000
    space = PolynomialSpace(m - 1, measure=measure)
    x = projection_dpp(space, generator(11), draws=draws)[..., 0].numpy()
    if measure == "uniform":
        t, w = np.polynomial.legendre.leggauss(60)
        w = w / 2
    else:
        t, w = np.polynomial.hermite_e.hermegauss(60)
        w = w / w.sum()
    phi = oracle(t, m, measure)
    for f in (np.cos, np.sin, lambda z: z):
        M = phi.T @ ((w * f(t))[:, None] * phi)
        variance = np.trace(phi.T @ ((w * f(t) ** 2)[:, None] * phi)) - np.trace(M @ M)
        sums = f(x).sum(1)
        deviation = (sums - np.trace(M)) ** 2
        assert abs(sums.mean() - np.trace(M)) < 5 * math.sqrt(variance / draws)
        assert abs(deviation.mean() - variance) < 5 * deviation.std() / math.sqrt(draws)


def test_smallest_eigenvalue_of_gue() -> None:
    # Points for Hermite's polynomials are the eigenvalues of Gaussian Hermitian matrices.
    m, draws = 5, 1500
    space = PolynomialSpace(m - 1, measure="gaussian")
    x = projection_dpp(space, generator(12), draws=draws)[..., 0].numpy().min(1)
    rng = np.random.default_rng(13)
    A = rng.normal(size=(draws, m, m)) + 1j * rng.normal(size=(draws, m, m))
    eigenvalues = np.linalg.eigvalsh((A + A.conj().transpose(0, 2, 1)) / 2)
    assert scipy.stats.ks_2samp(x, eigenvalues[:, 0]).pvalue > 1e-3


def test_kernel_space_repels() -> None:
    space = KernelSpace(RBF(0.5), 6, 2)
    X = projection_dpp(space, generator(14), draws=500)
    f = X.square().sum(-1).sum(-1).numpy()  # sum over a configuration
    nodes, weights = space.quadrature()
    phi, values = space(nodes), nodes.square().sum(-1)
    M = phi.mT @ ((weights * values)[:, None] * phi)
    variance = float((weights * values**2) @ phi.square().sum(-1) - (M @ M).trace())
    assert abs(f.mean() - float(M.trace())) < 5 * math.sqrt(variance / 500)
    deviation = (f - float(M.trace())) ** 2
    assert abs(deviation.mean() - variance) < 5 * deviation.std() / math.sqrt(500)


def test_one_seed_is_one_draw() -> None:
    space = PolynomialSpace(4)
    assert torch.equal(projection_dpp(space, generator(15)), projection_dpp(space, generator(15)))
    assert projection_dpp(PolynomialSpace(0), generator(), draws=3).shape == (3, 1, 1)


# -- refusals ----------------------------------------------------------------------------------


def test_refusals() -> None:
    x = torch.zeros(3, 1, dtype=torch.float64)
    cases = [
        (lambda: PolynomialSpace(3, measure="cauchy"), "measure must be one of"),
        (lambda: PolynomialSpace(3, kind="ball"), "kind must be one of"),
        (lambda: PolynomialSpace(-1), "degree must be at least 0"),
        (lambda: PolynomialSpace(torch.tensor([[1], [1]])), "distinct"),
        (lambda: PolynomialSpace(2, 2)(x), "X must have 2 columns, got 1"),
        (lambda: PolynomialSpace(2).sample(3, 1.5), "share must be between"),
        (lambda: KernelBasis(RBF(2.0), 40), "size must be at most"),
        (lambda: KernelBasis(RBF(2.0), 40, panels=2), "size must be at most 16 panels"),
        (lambda: DiscreteSpace(PolynomialSpace(2), x), "linearly independent"),
        (lambda: DiscreteSpace(PolynomialSpace(0), x, torch.ones(2)), "weights must have shape"),
    ]
    for call, message in cases:
        with pytest.raises((ValueError, TypeError), match=message):
            call()
