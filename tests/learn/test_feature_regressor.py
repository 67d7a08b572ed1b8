"""Ridge regression on random features against kernel ridge regression and dense algebra."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from mercer.features.random.random_fourier import RandomFourierFeatures
from mercer.kernels import RBF, Linear, Matern
from mercer.learn.feature_regressor import FeatureRegressor
from mercer.testing.estimator import check_estimator


def table(n=200, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(n)


@pytest.mark.parametrize("features", ["fourier", "positive"])
def test_contract(features):
    check_estimator(FeatureRegressor(features, count=64), scikit_learn=features == "fourier")


@pytest.mark.parametrize(
    ("features", "coupling"), [("fourier", "orthogonal"), ("positive", "simplex")]
)
def test_many_features_are_kernel_ridge_regression(features, coupling):
    X, y = table(60, 2)
    X = 0.25 * X  # the variance of positive features grows like exp(|x + y|^2)
    model = FeatureRegressor(
        features, count=1000, coupling=coupling, lengthscale=1.0, regularisation=0.5,
        random_state=0,
    ).fit(X, y)  # fmt: skip
    exact = KernelRidge(alpha=0.5, kernel="rbf", gamma=0.5).fit(X, y - y.mean())
    difference = model.predict(X) - (exact.predict(X) + y.mean())
    assert np.abs(difference).max() < 0.05 * y.std()


def test_the_normal_equations_are_those_of_ridge_regression():
    X, y = table()
    w = np.random.default_rng(1).random(len(y))
    model = FeatureRegressor(
        count=20, kernel="matern32", lengthscale=2.0, regularisation=0.3, random_state=0
    ).fit(X, y, sample_weight=w)
    phi = RandomFourierFeatures(Matern(2.0, nu=1.5), 3, 10, frequencies=model.projections_)
    F = phi(torch.from_numpy(X) - model.center_).numpy()
    mean = np.average(y, weights=w)
    ridge = Ridge(alpha=0.3, fit_intercept=False, solver="cholesky").fit(F, y - mean, w)
    np.testing.assert_allclose(model.predict(X), ridge.predict(F) + mean, rtol=1e-9)


def test_rows_come_by_blocks():
    X, y = table()
    whole = FeatureRegressor(count=32, random_state=0).fit(X, y)
    parts = FeatureRegressor(count=32, random_state=0, block=7).fit(X, y)
    assert parts.regularisation_ == pytest.approx(whole.regularisation_)
    np.testing.assert_allclose(parts.predict(X), whole.predict(X), rtol=1e-8)
    held = []
    phi = parts._map(parts.projections_)
    phi.register_forward_hook(lambda module, given, out: held.append(len(out)))
    list(parts._blocks(phi, torch.from_numpy(X)))
    assert max(held) == 7
    assert sum(held) == len(X)


def test_generalised_cross_validation_by_dense_algebra():
    X, y = table(50)
    model = FeatureRegressor(count=20, random_state=0).fit(X, y)
    phi = model._map(model.projections_)
    F = phi(torch.from_numpy(X) - model.center_).numpy()

    def score(regularisation):
        hat = F @ np.linalg.solve(F.T @ F + regularisation * np.eye(20), F.T)
        residual = (y - y.mean()) - hat @ (y - y.mean())
        return residual @ residual / (1 - np.trace(hat) / 50) ** 2

    steps = 10.0 ** np.arange(-3, 3.1, 0.25)
    scores = [score(model.regularisation_ * step) for step in steps]
    assert scores[len(steps) // 2] == pytest.approx(min(scores), rel=1e-9)


def test_a_kernel_that_is_not_isotropic():
    X, y = table()
    model = FeatureRegressor(count=128, kernel="laplace", coupling="independent", random_state=0)
    assert model.fit(X, y).score(X, y) > 0.9
    with pytest.raises(ValueError, match='coupling must be "independent"'):
        model.set_params(coupling="orthogonal").fit(X, y)


def test_float32_stays_and_targets_may_be_many():
    X, y = table()
    Y = np.stack([y, X[:, 0]], axis=1)
    model = FeatureRegressor(count=128, random_state=0).fit(X.astype(np.float32), Y)
    found = model.predict(X.astype(np.float32))
    assert found.dtype == np.float32
    wanted = FeatureRegressor(count=128, random_state=0).fit(X, Y).predict(X)
    np.testing.assert_allclose(found, wanted, atol=1e-2)
    assert np.abs(wanted[:, 1] - X[:, 0]).mean() < 0.1


def test_predicts_as_well_as_the_kernel():
    (X, y), (Z, f) = table(600), table(500, seed=1)
    model = FeatureRegressor(count=512, random_state=0).fit(X, y)
    gamma = 0.5 / float(model.kernel_.lengthscale) ** 2
    exact = KernelRidge(alpha=model.regularisation_, kernel="rbf", gamma=gamma).fit(X, y)
    assert model.score(Z, f) > exact.score(Z, f) - 0.01
    assert "median distance" in model.explain_
    assert "generalised cross-validation" in model.explain_


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"features": "sines"}, "features must be one of"),
        ({"count": 7}, 'count must be even with features="fourier", got 7'),
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"coupling": "none"}, "coupling must be one of"),
        ({"regularisation": 0.0}, "regularisation must be positive, got 0"),
        ({"lengthscale": -1.0}, "lengthscale must be positive, got -1"),
        ({"kernel": "cubic"}, "kernel must be one of"),
        ({"kernel": Linear()}, "kernel must be stationary"),
        ({"features": "positive", "kernel": Matern()}, 'kernel must be "rbf"'),
        ({"features": "positive", "kernel": RBF(active_dimensions=[0])}, 'kernel must be "rbf"'),
        ({"block": 0}, "block must be at least 1"),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        FeatureRegressor(**given).fit(*table(20))
