"""Probabilities against logistic regression and against the truth."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mercer.learn import KernelClassifier


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_small_tables_against_logistic_regression(load):
    A, B, a, b = train_test_split(*load(return_X_y=True), random_state=0)
    model, linear = KernelClassifier(random_state=0).fit(A, a), logistic().fit(A, a)
    assert log_loss(b, model.predict_proba(B)) < log_loss(b, linear.predict_proba(B)) + 0.04
    assert model.score(B, b) > linear.score(B, b) - 0.03


def test_digits_against_logistic_regression():
    X, y = load_digits(return_X_y=True)
    A, B, a, b = train_test_split(X, y, train_size=600, random_state=0)
    model, linear = KernelClassifier("rbf", random_state=0).fit(A, a), logistic().fit(A, a)
    assert model.score(B, b) > 0.96
    assert log_loss(b, model.predict_proba(B)) < log_loss(b, linear.predict_proba(B))


@pytest.mark.parametrize("method", ["exact", "nystrom", "eigenpro"])
def test_probabilities_are_near_the_true_ones(method):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2600, 2))
    truth = 1 / (1 + np.exp(-(1.5 * X[:, 0] - X[:, 1])))
    y = (rng.uniform(size=2600) < truth).astype(int)
    A, B, a, b, _, p = train_test_split(X, y, truth, test_size=600, random_state=0)
    centers = 150 if method in ("nystrom", "eigenpro") else None
    model = KernelClassifier(
        "rbf", method=method, centers=centers, lengthscale=2.0, random_state=0
    ).fit(A, a)
    found = model.predict_proba(B)[:, 1]
    # The loss of the true probabilities is the least possible in the mean.
    assert log_loss(b, found) < log_loss(b, p) + 0.03
    assert brier_score_loss(b, found) < brier_score_loss(b, p) + 0.012
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        inside = (found >= low) & (found < high)
        deviation = 3 * np.sqrt(0.25 / inside.sum())
        assert abs(found[inside].mean() - b[inside].mean()) < 0.03 + deviation


def test_calibration_is_logistic_regression_on_the_scores():
    import torch

    from mercer.learn.calibration import Calibration

    rng = np.random.default_rng(0)
    score = rng.standard_normal(4000)
    y = rng.uniform(size=4000) < 1 / (1 + np.exp(-(2.0 * score + 0.5)))
    F = torch.from_numpy(np.stack([np.zeros(4000), score], 1))
    T = torch.from_numpy(np.stack([~y, y], 1).astype(float))
    found = Calibration.fit(F, T, torch.ones(4000, dtype=torch.float64))
    oracle = LogisticRegression(C=1e6).fit(score[:, None], y)
    assert found.slope == pytest.approx(oracle.coef_[0, 0], rel=0.01)
    assert float(found.biases[1] - found.biases[0]) == pytest.approx(oracle.intercept_[0], abs=0.01)


def test_labels_weights_and_decisions():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 2))
    y = np.where(X[:, 0] > 0.5, "high", np.where(X[:, 0] < -0.5, "low", "middle"))
    model = KernelClassifier("rbf", random_state=0).fit(X, y)
    assert model.classes_.tolist() == ["high", "low", "middle"]
    P = model.predict_proba(X)
    np.testing.assert_allclose(P.sum(axis=1), 1)
    assert (model.classes_[P.argmax(axis=1)] == model.predict(X)).all()
    np.testing.assert_allclose(np.diff(np.log(P)), np.diff(model.decision_function(X)), atol=1e-8)
    weights = np.where(y == "middle", 0.0, 1.0)
    assert KernelClassifier("rbf").fit(X, y, weights).classes_.tolist() == ["high", "low"]


def test_bad_labels():
    X = np.random.default_rng(0).standard_normal((10, 2))
    model = KernelClassifier("rbf")
    with pytest.raises(ValueError, match="y has one class only, 'a'"):
        model.fit(X, ["a"] * 10)
    with pytest.raises(ValueError, match="y has NaN at row 3"):
        model.fit(X, np.where(np.arange(10) == 3, np.nan, np.arange(10) % 2))
    with pytest.raises(ValueError, match="X has 10 rows but y has 9"):
        model.fit(X, [0, 1, 0, 1, 0, 1, 0, 1, 0])
