"""Kernel logistic regression against scikit-learn on explicit features and against SciPy."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize as scipy_minimize
from scipy.spatial.distance import pdist
from scipy.special import log_softmax
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel

from mercer.kernels import RBF, Linear
from mercer.learn.logistic import KernelLogisticRegression, distance_percentile, newton
from mercer.linalg.solution import ConvergenceWarning
from mercer.testing.estimator import check_estimator


def table(n=150, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    score = np.sin(2 * X[:, 0]) + X[:, 1] + 0.5 * rng.standard_normal(n)
    return X, np.digitize(score, [0.0] if classes == 2 else [-0.6, 0.6])


def scikit(C, **options):
    return LogisticRegression(C=C, tol=1e-12, max_iter=10_000, solver="newton-cg", **options)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("penalty", [1.0, 1e-3])
def test_linear_kernel_is_logistic_regression(classes, penalty):
    X, y = table(classes=classes)
    model = KernelLogisticRegression(Linear(), regularisation=penalty).fit(X, y)
    oracle = scikit(1 / penalty).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), oracle.predict_proba(X), atol=1e-8)
    # With more than two classes scikit-learn's scores and ours are centred over classes.
    np.testing.assert_allclose(
        model.decision_function(X), oracle.decision_function(X), rtol=1e-6, atol=1e-6
    )
    weights = (model.centers_.T @ model.coefficients_).T.numpy()
    np.testing.assert_allclose(weights, oracle.coef_, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("classes", [2, 3])
def test_centres_are_logistic_regression_on_nystroem_features(classes):
    X, y = table(classes=classes)
    features = Nystroem(gamma=1 / (2 * 1.3**2), n_components=20, random_state=0).fit(X)
    oracle = scikit(10.0).fit(features.transform(X), y)
    model = KernelLogisticRegression(
        "rbf", lengthscale=1.3, centers=features.components_, regularisation=0.1
    ).fit(X, y)
    expected = oracle.predict_proba(features.transform(X))
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-7)


@pytest.mark.parametrize("classes", [2, 3])
def test_all_rows_as_centres_is_the_minimiser_over_the_whole_space(classes):
    X, y = table(60, classes=classes)
    K = rbf_kernel(X, gamma=0.5)
    root = np.linalg.cholesky(K + 1e-13 * np.eye(60))
    penalty, one_hot = 0.3, np.eye(classes)[y]
    c = 1 if classes == 2 else classes

    def objective(z):
        Z = z.reshape(60, c)
        F = root @ Z
        F = np.concatenate([np.zeros((60, 1)), F], axis=1) if c == 1 else F
        logp = log_softmax(F, axis=1)
        G = (np.exp(logp) - one_hot)[:, -c:]
        value = -(one_hot * logp).sum() + penalty / 2 * (Z**2).sum()
        return value, (root.T @ G + penalty * Z).ravel()

    found = scipy_minimize(
        objective,
        np.zeros(60 * c),
        jac=True,
        method="L-BFGS-B",
        options={"gtol": 1e-10, "ftol": 0, "maxiter": 5000},
    )
    model = KernelLogisticRegression(RBF(1.0), regularisation=penalty, fit_intercept=False)
    F = model.fit(X, y).decision_function(X).reshape(60, c)
    np.testing.assert_allclose(F, root @ found.x.reshape(60, c), atol=1e-6)
    assert float(model.intercept_.abs().max()) == 0


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 0.2, 1: 3.0}])
def test_weights(class_weight):
    X, y = table()
    weights = np.random.default_rng(1).uniform(0.1, 3, len(X))
    given = class_weight
    if given == "balanced":  # scikit-learn counts rows there, and here weights are counted
        mass = np.bincount(y, weights)
        given = dict(enumerate(weights.sum() / (2 * mass)))
    oracle = scikit(2.0, class_weight=given).fit(X, y, weights)
    model = KernelLogisticRegression(Linear(), regularisation=0.5, class_weight=class_weight)
    found = model.fit(X, y, weights).predict_proba(X)
    np.testing.assert_allclose(found, oracle.predict_proba(X), atol=1e-8)


def test_labels_that_can_be_told_apart_with_a_tiny_penalty():
    X, _ = table(80)
    y = (X[:, 0] > 0).astype(int)
    model = KernelLogisticRegression(RBF(1.0), regularisation=1e-7).fit(X, y)
    F, alpha = torch.from_numpy(model.decision_function(X)), model.coefficients_[:, 0]
    assert float(F.abs().max()) > 10
    # At the optimum the penalty times alpha is what the model gets wrong, row by row.
    order = [int((model.centers_ == row).all(dim=1).nonzero()) for row in torch.from_numpy(X)]
    wrong = torch.from_numpy(y) - F.sigmoid()
    torch.testing.assert_close(1e-7 * alpha[order], wrong, rtol=1e-3, atol=1e-10)


def test_the_path_of_penalties_leads_to_the_same_model(monkeypatch):
    X, y = table(classes=3)
    model = KernelLogisticRegression(regularisation=0.1).fit(X, y)
    assert {step["regularisation"] for step in model.history_} == {0.1}
    monkeypatch.setattr(newton, "FAR", 0.0)
    other = KernelLogisticRegression(regularisation=0.1).fit(X, y)
    path = [step["regularisation"] for step in other.history_]
    assert path == sorted(path, reverse=True)
    assert path[0] > 1
    assert path[-1] == 0.1
    np.testing.assert_allclose(other.predict_proba(X), model.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_sampled_preconditioner_and_blocks_made_anew_give_the_same_model(classes, monkeypatch):
    X, y = table(800, classes=classes)
    options = {"lengthscale": 1.0, "centers": 30, "regularisation": 1e-2, "random_state": 0}
    model = KernelLogisticRegression("rbf", **options).fit(X, y)
    monkeypatch.setattr(newton, "DIRECT", 10)
    other = KernelLogisticRegression("rbf", memory_budget=1e4, **options).fit(X, y)
    assert "made anew" in other.explain_
    assert "kept in memory" in model.explain_
    np.testing.assert_allclose(other.predict_proba(X), model.predict_proba(X), atol=1e-7)


def test_single_precision():
    X, y = table(400)
    model = KernelLogisticRegression(regularisation=1e-2).fit(X, y)
    single = KernelLogisticRegression(regularisation=1e-2).fit(torch.from_numpy(X).float(), y)
    P = single.predict_proba(torch.from_numpy(X).float())
    assert P.dtype == torch.float32
    np.testing.assert_allclose(P, model.predict_proba(X), atol=3e-3)


def test_too_few_steps_are_told():
    X, y = table()
    with pytest.warns(ConvergenceWarning, match="stopped short of its tolerance"):
        KernelLogisticRegression(max_iterations=1).fit(X, y)


def test_distance_percentile():
    X = np.random.default_rng(0).standard_normal((60, 4))
    for percent in (10, 50, 90):
        expected = np.percentile(pdist(X), percent)
        assert distance_percentile(torch.from_numpy(X), percent) == pytest.approx(expected)
    expected = np.percentile(pdist(X, "cityblock"), 90)
    assert distance_percentile(torch.from_numpy(X), 90, l1=True) == pytest.approx(expected)
    assert distance_percentile(torch.ones(5, 2), 50) == 1.0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"regularisation": 0.0}, "regularisation must be positive, got 0"),
        ({"lengthscale": -0.3}, "lengthscale must be positive, got -0.3"),
        ({"kernel": "cubic"}, "kernel must be one of"),
        ({"centers": 0}, "centers must be at least 1, got 0"),
        ({"centers": np.zeros((4, 2))}, r"points of shape \(m, 3\), got \(4, 2\)"),
        ({"class_weight": "heavy"}, "class_weight must be a dict"),
        ({"class_weight": {0: -1.0}}, "class_weight must be positive, got -1"),
        ({"max_iterations": 0}, "max_iterations must be at least 1, got 0"),
    ],
)
def test_bad_parameters(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        KernelLogisticRegression(**options).fit(*table())


def test_bad_data():
    X, y = table()
    with pytest.raises(ValueError, match="X has NaN at row 3, column 1"):
        KernelLogisticRegression().fit(np.where(np.arange(450).reshape(150, 3) == 10, np.nan, X), y)
    with pytest.raises(ValueError, match="y has one class only"):
        KernelLogisticRegression().fit(X, np.ones(150))
    with pytest.raises(ValueError, match="X has 150 rows but y has 149"):
        KernelLogisticRegression().fit(X, y[1:])
    with pytest.raises(TypeError, match="kernel must be a name or a Kernel"):
        KernelLogisticRegression(3).fit(X, y)


def test_contract():
    check_estimator(KernelLogisticRegression(centers=15), scikit_learn=False)


@pytest.mark.slow
def test_contract_of_scikit_learn():
    check_estimator(KernelLogisticRegression())
