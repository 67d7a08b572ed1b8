"""The spectral regressor: scikit-learn's contract, its ridge, and the choices it makes."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge

from mercer.kernels import RBF
from mercer.learn import load
from mercer.learn.spectral import (
    CutOff,
    GradientFlow,
    IteratedTikhonov,
    Ridge,
    SpectralRegressor,
)
from mercer.learn.spectral.regressor import PROFILES, best_strength
from mercer.operators import Dense
from mercer.testing import check_estimator


def table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(n)


@pytest.mark.parametrize("profile", PROFILES)
def test_contract(profile):
    check_estimator(SpectralRegressor(RBF(1.0), profile=profile), scikit_learn=False)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_contract_of_scikit_learn(profile):
    check_estimator(SpectralRegressor("rbf", profile=profile))


def test_ridge_is_that_of_scikit_learn():
    X, y = table()
    new = table(7, seed=1)[0]
    model = SpectralRegressor(RBF(lengthscale=0.8), "ridge", strength=1e-3).fit(X, y)
    other = KernelRidge(kernel="rbf", gamma=1 / (2 * 0.8**2), alpha=60 * 1e-3)
    want = other.fit(X, y - y.mean()).predict(new) + y.mean()
    np.testing.assert_allclose(model.predict(new), want, rtol=1e-9, atol=1e-10)


def test_cut_off_is_regression_on_kernel_principal_components():
    X, y = table()
    K = RBF(lengthscale=0.8)(torch.from_numpy(X)).dense().numpy() / 60
    w, V = np.linalg.eigh(K)
    threshold = (w[-8] + w[-9]) / 2
    fit = V[:, -8:] @ (V[:, -8:].T @ (y - y.mean())) + y.mean()
    model = SpectralRegressor(RBF(lengthscale=0.8), CutOff(threshold)).fit(X, y)
    np.testing.assert_allclose(model.predict(X), fit, rtol=1e-8, atol=1e-9)
    assert model.strength_ is None
    assert "given" in model.explain_


def test_strength_is_the_best_by_leaving_out_in_turn():
    X, y = table(25)
    K = RBF(lengthscale=0.8)(torch.from_numpy(X)).dense()
    Y = torch.from_numpy(y)[:, None]
    strength, error = best_strength(
        Dense(K, tags={"psd"}), Y, torch.ones(25, dtype=torch.float64), Ridge
    )

    def left_out(value):
        squares = []
        for i in range(25):
            rest = np.delete(np.arange(25), i)
            A = K.numpy()[np.ix_(rest, rest)] + 25 * value * np.eye(24)
            f = K.numpy()[i, rest] @ np.linalg.solve(A, y[rest])
            squares.append((y[i] - f) ** 2)
        return np.mean(squares)

    assert left_out(strength) == pytest.approx(error, rel=1e-6)
    assert left_out(strength) < min(left_out(strength * 10**0.25), left_out(strength / 10**0.25))


@pytest.mark.parametrize("profile", PROFILES)
def test_chosen_strength_learns_the_function_and_not_the_noise(profile):
    rng = np.random.default_rng(3)
    X = np.linspace(0, 6, 120)[:, None]
    clean = np.sin(X[:, 0])
    y = clean + 0.5 * rng.standard_normal(120)
    model = SpectralRegressor("rbf", profile, random_state=0).fit(X, y)
    assert np.mean((model.predict(X) - clean) ** 2) < 0.2 * 0.5**2
    assert profile in model.explain_
    assert "leave-one-out" in model.explain_


def test_weights_count_as_copies_for_a_profile_that_was_given():
    X, y = table(20)
    copies = np.random.default_rng(1).integers(0, 3, 20)
    model = SpectralRegressor(RBF(1.0), GradientFlow(50.0))
    weighted = model.fit(X, y, sample_weight=copies.astype(float)).predict(X)
    K = RBF(1.0)(torch.from_numpy(np.repeat(X, copies, axis=0))).dense().numpy()
    cross = RBF(1.0)(torch.from_numpy(X), torch.from_numpy(np.repeat(X, copies, axis=0)))
    many = np.repeat(y, copies)
    w, V = np.linalg.eigh(K / len(many))
    g = np.where(w > 1e-14, -np.expm1(-50 * w) / np.where(w > 1e-14, w, 1), 50.0)
    a = V @ (g * (V.T @ (many - many.mean()))) / len(many)
    want = cross.dense().numpy() @ a + many.mean()
    np.testing.assert_allclose(weighted, want, rtol=1e-8, atol=1e-9)


def test_several_outputs_and_float32():
    X, y = table()
    Y = np.c_[y, 2 * y + 1]
    model = SpectralRegressor(RBF(0.8), "gradient flow", 1e-2).fit(
        X.astype(np.float32), Y.astype(np.float32)
    )
    out = model.predict(X.astype(np.float32))
    assert out.shape == (60, 2)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out[:, 1], 2 * out[:, 0] + 1, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"profile": "lasso"}, ValueError, "profile must be one of ridge"),
        ({"strength": 0.0}, ValueError, "strength must be positive, got 0"),
        ({"profile": Ridge(1.0), "strength": 1.0}, ValueError, "strength is part of the profile"),
        ({"iterations": 0}, ValueError, "iterations must be at least 1"),
        ({"method": "lu"}, ValueError, "method must be one of"),
        ({"lengthscale": -1.0}, ValueError, "lengthscale must be positive"),
        ({"kernel": 3}, TypeError, "kernel must be a name or a Kernel, got int"),
        ({"kernel": "sigmoid"}, ValueError, "kernel must be one of"),
    ],
)
def test_bad_arguments(arguments, error, message):
    X, y = table(10)
    with pytest.raises(error, match=message):
        SpectralRegressor(**{"kernel": "rbf", **arguments}).fit(X, y)


@pytest.mark.parametrize("profile", [GradientFlow(30.0), IteratedTikhonov(0.1, 2)])
def test_a_given_profile_is_saved(profile, tmp_path):
    X = np.linspace(0, 3, 12)[:, None]
    model = SpectralRegressor("rbf", profile, random_state=0).fit(X, np.sin(X[:, 0]))
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.profile == profile
    assert np.array_equal(loaded.predict(X), model.predict(X))
