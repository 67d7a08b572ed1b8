"""Smoothness relative to a kernel and the classifier of the optimal rate."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_ivp
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from sklearn.gaussian_process.kernels import Matern as ReferenceMatern
from sklearn.kernel_ridge import KernelRidge

from mercer.kernels import RBF, Laplace, Matern, ShiftInvariant
from mercer.kernels.brownian import Brownian
from mercer.learn.smoothness import (
    Eigenpairs,
    OptimalRate,
    SobolevClassifier,
    draw_labels,
    eigenvalue_decay,
    excess_risk,
    hardest_target,
    interpolation_smoothness,
    largest_eigenpairs,
    source_target,
)
from mercer.testing import check_estimator, check_operator

PERIODIC = ShiftInvariant(1, 2, weights=0.5, scale=2.0)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (60, 2))
    y = np.digitize(X[:, 0] + X[:, 1] ** 2 + 0.3 * rng.standard_normal(60), [0.0, 0.6])
    return X, y, rng.uniform(-1, 1, (15, 2))


def sample(kernel, s, n, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 1, generator=generator, dtype=torch.float64)
    return x, draw_labels(source_target(kernel, s)(x), generator)


# -- the classifier ----------------------------------------------------------------------------


def test_with_the_ridge_profile_it_is_kernel_ridge_regression_on_signs(table):
    X, y, new = table
    y = y > 0
    model = SobolevClassifier(2.0, profile="ridge", time=40.0, lengthscale=0.7).fit(X, y)
    assert model.kernel_.nu == 1.0  # m - d / 2
    signs = np.where(y, 1.0, -1.0)
    reference = KernelRidge(
        alpha=60 / 40.0, kernel=lambda a, b: ReferenceMatern(0.7, nu=1.0)(a[None], b[None])[0, 0]
    ).fit(X, signs - signs.mean())
    expected = reference.predict(new) + signs.mean()
    np.testing.assert_allclose(model.decision_function(new), expected, rtol=1e-6)
    assert (model.predict(new) == (expected > 0)).all()
    np.testing.assert_allclose(
        model.predict_proba(new)[:, 1], np.clip((1 + expected) / 2, 0, 1), rtol=1e-6, atol=1e-12
    )


def test_gradient_flow_is_the_solution_of_its_differential_equation(table):
    X, y, new = table
    signs = np.where(y == 2, 1.0, -1.0)
    K = np.exp(-cdist(X, X) / 0.5)
    flow = solve_ivp(
        lambda t, a: (signs - signs.mean() - K @ a) / 60,
        (0, 25.0),
        np.zeros(60),
        rtol=1e-10,
        atol=1e-12,
    )
    expected = np.exp(-cdist(new, X) / 0.5) @ flow.y[:, -1] + signs.mean()
    model = SobolevClassifier(kernel=Laplace(0.5), time=25.0).fit(X, y)
    np.testing.assert_allclose(model.decision_function(new)[:, 2], expected, rtol=1e-6)


def test_optimal_time_balances_bias_and_variance(table):
    X, y, _ = table
    for order, s in ((1.5, 0.5), (2.5, 1.2)):
        beta = 2 * order / 2
        # t^-s = t^(1 / beta) / n
        t = minimize(
            lambda u, s=s, beta=beta: (-s * u[0] - u[0] / beta + math.log(60)) ** 2, [1.0]
        ).x[0]
        model = SobolevClassifier(order, smoothness=s, lengthscale=1.0).fit(X, y)
        assert model.time_ == pytest.approx(math.exp(t), rel=1e-4)
    rate = OptimalRate(decay=3.0, smoothness=0.5)
    assert rate.regression == pytest.approx(0.6)
    assert rate.classification == pytest.approx(0.3)


def test_a_multiple_of_the_kernel_is_the_same_classifier(table):
    X, y, new = table
    one = SobolevClassifier(kernel=RBF(0.6), smoothness=1.0, decay=2.0).fit(X, y)
    five = SobolevClassifier(kernel=5.0 * RBF(0.6), smoothness=1.0, decay=2.0).fit(X, y)
    np.testing.assert_allclose(five.decision_function(new), one.decision_function(new), rtol=1e-8)


def test_classes_are_learnt_one_against_the_rest(table):
    X, y, new = table
    model = SobolevClassifier(time=30.0, lengthscale=0.5).fit(X, np.array(["a", "b", "c"])[y])
    F = model.decision_function(new)
    for c in range(3):
        binary = SobolevClassifier(time=30.0, lengthscale=0.5).fit(X, y == c)
        np.testing.assert_allclose(F[:, c], binary.decision_function(new), rtol=1e-8)
    assert (model.predict(new) == np.array(["a", "b", "c"])[F.argmax(1)]).all()


def test_probabilities_are_the_nearest_distributions(table):
    X, y, new = table
    model = SobolevClassifier(time=30.0, lengthscale=0.5).fit(X, y)
    P = model.predict_proba(new)
    eta = (1 + model.decision_function(new)) / 2
    np.testing.assert_allclose(P.sum(1), 1, atol=1e-12)
    # Nearest: what is taken off is the same for all that stay positive, and least for these.
    off = eta - P
    kept = P > 0
    assert (~kept).any()
    level = np.where(kept, off, -np.inf).max(1, keepdims=True)
    np.testing.assert_allclose(off[kept], np.broadcast_to(level, off.shape)[kept], atol=1e-12)
    assert (off <= level + 1e-12).all()


def test_contract():
    check_estimator(SobolevClassifier(smoothness=0.5, lengthscale=1.0))


def test_chosen_time_keeps_the_laws():
    check_estimator(SobolevClassifier(profile="ridge", lengthscale=1.0), scikit_learn=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 1.0}, "order must be above d / 2 = 1, got 1"),
        ({"order": 2.0, "kernel": RBF()}, "give order or kernel, not both"),
        ({"smoothness": 1.0, "time": 2.0}, "give smoothness or time, not both"),
        ({"smoothness": -1.0}, "smoothness must be positive, got -1"),
        ({"time": 0.0}, "time must be positive, got 0"),
        ({"smoothness": 1.0, "kernel": RBF()}, "is not known; pass decay"),
        ({"smoothness": 1.0, "decay": 1.0}, "decay must be above 1, got 1"),
        ({"profile": "lasso"}, "profile must be one of"),
    ],
)
def test_what_the_classifier_refuses(table, options, message):
    X, y, _ = table
    with pytest.raises(ValueError, match=message):
        SobolevClassifier(**options).fit(X, y)


# -- eigenpairs, decay, risk ---------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [Brownian(), PERIODIC])
def test_eigenpairs_solve_the_integral_equation(kernel):
    pairs = Eigenpairs(kernel, 5)

    def phi(y, j):
        return float(pairs.functions(torch.tensor([y], dtype=torch.float64))[0, j])

    def k(x, y):
        return float(kernel(*(torch.tensor([[z]], dtype=torch.float64) for z in (x, y))).dense())

    for j, x in enumerate((0.15, 0.4, 0.55, 0.8, 0.95)):
        integral = quad(lambda y, j=j, x=x: k(x, y) * phi(y, j), 0, 1, points=[x], epsabs=1e-8)[0]
        assert integral == pytest.approx(float(pairs.values[j]) * phi(x, j), abs=1e-6)
    grid = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    Phi = pairs.functions(grid)
    np.testing.assert_allclose(Phi.T @ Phi / 4000, np.eye(5), atol=1e-5)


def test_brownian_kernel_is_the_minimum():
    X = np.random.default_rng(2).uniform(0, 2, (6, 2))
    expected = np.minimum(X[:, None], X[None]).prod(-1)
    np.testing.assert_allclose(Brownian()(torch.from_numpy(X)).dense(), expected)
    signed = torch.tensor([[-0.5], [0.7], [-0.2]], dtype=torch.float64)
    assert Brownian()(signed).dense().tolist() == [[0.5, 0, 0.2], [0, 0.7, 0], [0.2, 0, 0.2]]
    X = torch.from_numpy(X)
    check_operator(lambda X: Brownian()(X), X[:4], gradients=False, compiled=False)


@pytest.mark.parametrize(
    ("kernel", "beta"), [(Matern(nu=1.5), 4.0), (Laplace(), 2.0), (Brownian(), 2.0)]
)
def test_decay_is_that_of_eigenvalues_on_a_grid(kernel, beta):
    x = (torch.arange(600, dtype=torch.float64)[:, None] + 0.5) / 600
    values = np.linalg.eigvalsh(kernel(x).dense().numpy())[::-1]
    slope = np.polyfit(np.log(np.arange(20, 50) - 0.5), np.log(values[19:49]), 1)[0]
    assert eigenvalue_decay(kernel, 1) == beta
    assert slope == pytest.approx(-beta, rel=0.04)


def test_excess_risk_is_the_integral_where_signs_differ():
    x = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    f = torch.cos(2 * math.pi * x)
    expected = quad(lambda x: -math.cos(2 * math.pi * x), 0.3, 0.75)[0]
    expected += quad(lambda x: math.cos(2 * math.pi * x), 0.0, 0.25)[0]
    # x - 0.3 is wrong up to 1/4 and from 0.3 to 3/4.
    assert float(excess_risk(x - 0.3, f)) == pytest.approx(expected, rel=1e-4)
    assert float(excess_risk(f, f)) == 0


# -- the estimator of smoothness -----------------------------------------------------------------


def test_energies_and_fit_are_those_of_dense_matrices():
    x, y = sample(Brownian(), 0.7, 300, seed=3)
    found = interpolation_smoothness(x, y, Brownian(), components=40, tol=1e-8)
    w, V = np.linalg.eigh(np.minimum(x.numpy(), x.numpy().T))
    w, V = w[::-1] / 300, V[:, ::-1]
    p2 = (V.T @ y.numpy()) ** 2 / 300
    np.testing.assert_allclose(found.eigenvalues, w[:40], rtol=1e-6)
    np.testing.assert_allclose(found.energies, p2[:40], rtol=1e-4, atol=1e-9)
    assert found.noise == pytest.approx(p2[40:].sum() / 260 * 300, rel=1e-6)

    j = np.arange(1, 41)

    def loss(log_c, s):
        v = np.exp(log_c) * w[:40] ** s / j + p2[40:].sum() / 260
        return (p2[:40] / v + np.log(v)).sum()

    log_c, s = np.linspace(-2, 2, 101), np.linspace(0.2, 2, 91)
    table = np.array([[loss(c, t) for t in s] for c in log_c])
    assert found.smoothness == pytest.approx(
        s[np.unravel_index(table.argmin(), table.shape)[1]], abs=0.03
    )
    assert found.truncation == int((found.signal > found.noise / 300).sum())


@pytest.mark.parametrize(
    ("kernel", "s"), [(Brownian(), 1.0), (ShiftInvariant(1, 1, weights=0.3), 0.5)]
)
def test_known_smoothness_is_recovered_within_ten_per_cent(kernel, s):
    generator, target = torch.Generator().manual_seed(0), source_target(kernel, s)
    found = []
    for _ in range(2):
        x = torch.rand(1200, 1, generator=generator, dtype=torch.float64)
        eigen = largest_eigenpairs(x, kernel, 60, tol=1e-7, generator=generator)
        labels = [draw_labels(target(x), generator) for _ in range(25)]
        found += [interpolation_smoothness(x, y, kernel, eigen=eigen) for y in labels]
    estimates = np.array([f.smoothness for f in found])
    assert estimates.mean() == pytest.approx(s, rel=0.1)
    # Their law is one of random coefficients; those of the target are fixed.
    assert np.std(estimates) < np.mean([f.standard_error for f in found])
    assert all(abs(f.smoothness - s) < 4 * f.standard_error for f in found)


def test_noise_alone_and_bad_input_are_refused():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(200, 1, generator=generator, dtype=torch.float64)
    noise = draw_labels(torch.zeros(200, dtype=torch.float64), generator)
    with pytest.raises(ValueError, match="y does not stand out from noise"):
        interpolation_smoothness(x, noise, Brownian())
    with pytest.raises(ValueError, match=r"components must be at most n / 4 = 50, got 51"):
        interpolation_smoothness(x, noise, Brownian(), components=51)
    with pytest.raises(ValueError, match="skip must leave 4 of 10 components, got 7"):
        interpolation_smoothness(x, noise, Brownian(), components=10, skip=7)
    eigen = largest_eigenpairs(x, Brownian(), 10, tol=1e-7)
    with pytest.raises(ValueError, match=r"eigen must have vectors of shape \(200, 9\)"):
        interpolation_smoothness(x, noise, Brownian(), components=9, eigen=eigen)
    with pytest.raises(ValueError, match=r"y must have shape \(200,\), got \(199,\)"):
        interpolation_smoothness(x, noise[1:], Brownian())
    with pytest.raises(ValueError, match="y has NaN"):
        interpolation_smoothness(x, noise.index_fill(0, torch.tensor([3]), math.nan), Brownian())
    with pytest.raises(TypeError, match="kernel must be a Kernel, got str"):
        interpolation_smoothness(x, noise, "brownian")
    with pytest.raises(ValueError, match="kernel must be Brownian or ShiftInvariant"):
        Eigenpairs(RBF(), 3)


def test_targets_have_the_coefficients_and_labels_the_mean_that_they_should():
    x = (torch.arange(4000, dtype=torch.float64)[:, None] + 0.5) / 4000
    j = np.arange(1, 30)
    f = source_target(Brownian(), 1.0)(x).numpy()
    c = np.sqrt(2) * np.sin((j - 0.5) * np.pi * x.numpy()).T @ f / 4000
    np.testing.assert_allclose(abs(c / c[0]), 0.5 / (j - 0.5) / np.sqrt(j), rtol=1e-3)
    assert abs(f).max() == pytest.approx(1, rel=1e-3)
    hard = hardest_target(Brownian(), 0.5, 400)  # components 21 to 40, of 1 / 20 of the norm each
    c, lam = hard.coefficients.numpy(), ((np.arange(1, 41) - 0.5) * np.pi) ** -2.0
    np.testing.assert_allclose(c**2 / lam**0.5, [0] * 20 + [0.05] * 20, rtol=1e-12)
    y = draw_labels(torch.full((20_000,), 0.4), torch.Generator().manual_seed(0))
    assert set(y.tolist()) == {-1.0, 1.0}
    assert float(y.mean()) == pytest.approx(0.4, abs=0.02)
