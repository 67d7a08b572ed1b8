"""Regression against scikit-learn, closed forms in numpy, and refitting."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.gaussian_process.kernels import RBF as SkRBF
from sklearn.gaussian_process.kernels import Matern as SkMatern
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mercer.kernels import RBF, Linear
from mercer.learn import KernelRegressor
from mercer.learn.selection import select

FULL = ("exact", "cg", "askotch", "nystrom")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 3))
    Y = np.stack([np.sin(X[:, 0]) + X[:, 1], X[:, 2] ** 2], axis=1)
    return X, Y + 0.1 * rng.standard_normal(Y.shape)


@pytest.mark.parametrize("method", FULL)
@pytest.mark.parametrize("weighted", [False, True])
def test_is_kernel_ridge_on_centred_targets(table, method, weighted):
    X, Y = table
    w = np.random.default_rng(1).uniform(0.2, 3, len(X)) if weighted else None
    mean = np.average(Y, axis=0, weights=w)
    oracle = KernelRidge(alpha=0.3, kernel="rbf", gamma=1 / (2 * 1.5**2))
    oracle.fit(X, Y - mean, sample_weight=w)
    model = KernelRegressor(
        "rbf",
        method=method,
        lengthscale=1.5,
        regularisation=0.3,
        tolerance=1e-10,
        centers=len(X) if method == "nystrom" else None,
        random_state=0,
    ).fit(X, Y, sample_weight=w)
    T = np.random.default_rng(2).standard_normal((20, 3))
    np.testing.assert_allclose(model.predict(T), oracle.predict(T) + mean, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("matern12", SkMatern([1.0, 2.0, 0.5], nu=0.5)),
        ("matern32", SkMatern([1.0, 2.0, 0.5], nu=1.5)),
        ("matern52", SkMatern([1.0, 2.0, 0.5], nu=2.5)),
        ("rbf", SkRBF([1.0, 2.0, 0.5])),
    ],
)
def test_names_of_kernels(table, name, oracle):
    X, Y = table
    y = Y[:, 0]
    model = KernelRegressor(name, lengthscale=[1.0, 2.0, 0.5], regularisation=0.2).fit(X, y)
    alpha = np.linalg.solve(oracle(X) + 0.2 * np.eye(len(X)), y - y.mean())
    np.testing.assert_allclose(model.predict(X), oracle(X) @ alpha + y.mean(), atol=1e-8)


@pytest.mark.parametrize("budget", [1e9, 1.0])
def test_nystrom_minimises_over_the_span_of_the_centres(table, budget):
    X, Y = table
    w = np.random.default_rng(3).uniform(0.5, 2, len(X))
    Z = X[::6]
    model = KernelRegressor(
        "rbf",
        method="nystrom",
        lengthscale=1.2,
        regularisation=0.1,
        centers=Z,
        tolerance=1e-12,
        memory_budget=budget,
    ).fit(X, Y, sample_weight=w)
    gamma = 1 / (2 * 1.2**2)
    K, M = rbf_kernel(X, Z, gamma), rbf_kernel(Z, Z, gamma)
    centred = Y - np.average(Y, axis=0, weights=w)
    alpha = np.linalg.solve(K.T @ (w[:, None] * K) + 0.1 * M, K.T @ (w[:, None] * centred))
    found = model.predict(X) - np.average(Y, axis=0, weights=w)
    np.testing.assert_allclose(found, K @ alpha, atol=1e-7)
    assert ("kept in memory" in model.explain_) == (budget > 1)


def test_nystrom_resolves_the_regularisation_by_validation_rows():
    X, y = make_friedman1(1500, noise=1.0, random_state=0)
    model = KernelRegressor("rbf", method="nystrom", centers=200, random_state=0).fit(X, y)
    T, truth = make_friedman1(2000, noise=0.0, random_state=1)
    assert np.sqrt(np.mean((model.predict(T) - truth) ** 2)) < 0.5
    assert "by 150 validation rows" in model.explain_


def test_eigenpro_goes_to_the_nystrom_solution(table):
    X, Y = table
    arguments = dict(lengthscale=1.5, regularisation=0.5, centers=X[::3], random_state=0)
    goal = KernelRegressor("rbf", method="nystrom", tolerance=1e-10, **arguments).fit(X, Y)
    model = KernelRegressor("rbf", method="eigenpro", epochs=400, **arguments).fit(X, Y)
    np.testing.assert_allclose(model.predict(X), goal.predict(X), atol=1e-3)


def test_leave_one_out_error_is_that_of_refitting(table):
    X, Y = table
    X, y = X[:25], Y[:25, 0] - Y[:25, 0].mean()
    model = KernelRegressor("rbf", lengthscale=1.0, regularisation=0.2).fit(X, y)
    errors = []
    for i in range(25):
        rest = np.arange(25) != i
        other = KernelRidge(alpha=0.2, kernel="rbf", gamma=0.5).fit(X[rest], y[rest])
        errors.append(other.predict(X[i : i + 1])[0] - y[i])
    assert f"mean squared error {np.mean(np.square(errors)):.4g}: leave-one-out" in model.explain_


def test_float32_stays_float32_and_is_as_good(table):
    X, Y = table
    for method in (*FULL, "eigenpro"):
        model = KernelRegressor("rbf", method=method, lengthscale=1.5, regularisation=0.3)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            out = model.fit(X.astype("f4"), Y).predict(X.astype("f4"))
        assert out.dtype == np.float32
        if method != "eigenpro":
            exact = KernelRegressor("rbf", lengthscale=1.5, regularisation=0.3).fit(X, Y)
            np.testing.assert_allclose(out, exact.predict(X), atol=5e-3)


def test_fit_with_no_argument_beats_a_linear_model_and_finds_what_matters():
    X, y = make_friedman1(300, n_features=8, noise=0.5, random_state=0)  # five features matter
    A, B, a, b = train_test_split(X, y, random_state=0)
    model = KernelRegressor(random_state=0).fit(A, a)
    assert model.score(B, b) > 0.96
    assert model.lengthscale_[5:].min() > 2 * np.median(model.lengthscale_[:5])
    assert "leave-one-out" in model.explain_
    X, y = load_diabetes(return_X_y=True)
    A, B, a, b = train_test_split(X, y, random_state=0)
    linear = RidgeCV(alphas=np.logspace(-4, 2, 13)).fit(A, a)
    assert KernelRegressor(random_state=0).fit(A, a).score(B, b) > linear.score(B, b) - 0.03


def test_lengthscales_are_in_the_units_of_the_data(table):
    X, Y = (torch.from_numpy(t) for t in table)
    scale = torch.tensor([2.0**-10, 1.0, 2.0**13], dtype=torch.float64)
    open_ = dict(kernel="rbf", lengthscale=None, regularisation=None, seed=0)
    weights = torch.ones(len(X), dtype=torch.float64)
    one = select(X, Y - Y.mean(dim=0), weights, **open_)
    two = select(X * scale, Y - Y.mean(dim=0), weights, **open_)
    ratio = np.array(two.lengthscale) / np.array(one.lengthscale)
    np.testing.assert_allclose(ratio, scale, rtol=1e-3)
    assert two.regularisation == pytest.approx(one.regularisation, rel=1e-3)


def test_a_given_kernel_is_used_as_it_is(table):
    X, Y = table
    kernel = 2.0 * RBF(lengthscale=0.7) + Linear()
    model = KernelRegressor(kernel, random_state=0).fit(X, Y)
    assert model.kernel_ is kernel
    model = KernelRegressor(RBF(0.7), random_state=0).fit(X, Y)
    assert float(model.kernel_.lengthscale) == pytest.approx(0.7)
    model = KernelRegressor(RBF(0.7), lengthscale="auto", random_state=0).fit(X, Y)
    assert model.lengthscale_.shape == (3,)
    with pytest.raises(ValueError, match="has none"):
        KernelRegressor(kernel, lengthscale="auto").fit(X, Y)


def test_constant_columns_duplicate_rows_and_constant_targets(table):
    X, Y = table
    X = np.hstack([X, np.full((len(X), 1), 1e6)])
    X, Y = np.vstack([X, X[:30]]), np.vstack([Y, Y[:30] + 0.1])
    for method in FULL:
        model = KernelRegressor("rbf", method=method, random_state=0).fit(X, Y)
        assert model.score(X, Y) > 0.9
    constant = KernelRegressor(random_state=0).fit(X, np.full(len(X), 4.0))
    np.testing.assert_allclose(constant.predict(X), 4.0)


def test_containers_of_several_outputs(table):
    X, Y = table
    frame = pd.DataFrame(X, columns=list("abc"), index=range(5, 95))
    model = KernelRegressor("rbf", lengthscale=1.0, regularisation=0.1)
    out = clone(model).fit(frame, pd.DataFrame(Y, columns=["u", "v"], index=frame.index))
    predicted = out.predict(frame)
    assert list(predicted.columns) == ["u", "v"]
    assert predicted.index.equals(frame.index)
    table = pl.from_pandas(frame)
    assert clone(model).fit(table, Y).predict(table).columns == ["prediction_0", "prediction_1"]
    tensor = torch.from_numpy(X)
    assert clone(model).fit(tensor, torch.from_numpy(Y)).predict(tensor).shape == (90, 2)
    with pytest.raises(ValueError, match="feature names"):
        out.predict(frame.rename(columns={"a": "z"}))


def test_pipeline_and_grid_search(table):
    X, Y = table
    pipeline = make_pipeline(StandardScaler(), KernelRegressor("rbf", lengthscale=2.0))
    search = GridSearchCV(pipeline, {"kernelregressor__regularisation": [1e-3, 1e-1, 1e3]}, cv=3)
    search.fit(X, Y[:, 0])
    assert search.best_params_["kernelregressor__regularisation"] != 1e3
    assert search.predict(X).shape == (90,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regularisation": -1.0}, "regularisation must be at least 0, got -1"),
        ({"regularisation": 0.0, "method": "cg"}, "regularisation must be positive"),
        ({"lengthscale": -0.3}, "lengthscale must be positive, got -0.3"),
        ({"lengthscale": "short"}, 'lengthscale must be a number or "auto"'),
        ({"kernel": "gauss"}, "kernel must be one of rbf, "),
        ({"method": "svd"}, "method must be one of auto, exact"),
        ({"method": "exact", "centers": 5}, "method='exact' uses every row"),
        ({"centers": 0}, "centers must be at least 1, got 0"),
        ({"centers": np.zeros((4, 7))}, r"points of shape \(m, 3\), got \(4, 7\)"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"max_iterations": 0}, "max_iterations must be at least 1"),
        ({"validation_fraction": 1.5}, "validation_fraction must be between 0 and 1"),
        ({"precision": "low", "regularisation": 1.0, "lengthscale": 1.0}, "precision must be one"),
    ],
)
def test_bad_parameters(table, arguments, message):
    with pytest.raises(ValueError, match=message):
        KernelRegressor(**{"kernel": "rbf", **arguments}).fit(*table)


def test_bad_tables(table):
    X, Y = table
    model = KernelRegressor("rbf", lengthscale=1.0, regularisation=1.0)
    for value, word in ((np.nan, "NaN"), (np.inf, "infinity")):
        bad = X.copy()
        bad[7, 2] = value
        for points in (bad, torch.from_numpy(bad), pd.DataFrame(bad)):
            with pytest.raises(ValueError, match=f"X has {word} at row 7, column 2"):
                model.fit(points, Y)
        bad = Y.copy()
        bad[5, 1] = value
        with pytest.raises(ValueError, match=f"y has {word} at row 5, column 1"):
            model.fit(X, bad)
    with pytest.raises(ValueError, match="X has 90 rows but y has 89"):
        model.fit(X, Y[:-1])
    with pytest.raises(ValueError, match="negative, got -1 at row 0"):
        model.fit(X, Y, sample_weight=-np.ones(90))
    with pytest.raises(ValueError, match="zero for every row"):
        model.fit(X, Y, sample_weight=np.zeros(90))
    with pytest.raises(ValueError, match="rows"):
        model.fit(torch.zeros(0, 3), torch.zeros(0))
    with pytest.raises(TypeError, match="convert it with"):
        model.fit(torch.zeros(4, 3).half(), torch.zeros(4))


def test_no_regularisation_interpolates_or_says_that_it_cannot(table):
    X, Y = table
    model = KernelRegressor("matern12", lengthscale=1.0, regularisation=0.0).fit(X, Y)
    np.testing.assert_allclose(model.predict(X), Y, atol=1e-8)
    with pytest.raises(ValueError, match="singular"):
        KernelRegressor(Linear(), regularisation=0.0).fit(X, Y)


def test_one_row():
    model = KernelRegressor(random_state=0).fit([[1.0, 2.0]], [3.0])
    np.testing.assert_allclose(model.predict([[5.0, 5.0]]), [3.0])


def test_stopping_short_of_the_tolerance_warns(table):
    from mercer.linalg.solution import ConvergenceWarning

    X, Y = table
    model = KernelRegressor(
        "rbf", method="cg", lengthscale=3.0, regularisation=1e-6, max_iterations=1, tolerance=1e-12
    )
    with pytest.warns(ConvergenceWarning, match="max_iterations"):
        model.fit(X, Y)
