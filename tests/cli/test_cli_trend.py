"""A line and a kernel machine together."""

from __future__ import annotations

import numpy as np
import pytest
import stand_in
from scipy.linalg import lstsq

from mercer.cli.trend import WithTrend

rng = np.random.default_rng(2)
X = rng.normal(size=(300, 3))
Y = X @ [5.0, -2.0, 0.0] + 1.0 + np.sin(3 * X[:, 0])


def test_the_machine_sees_what_ridge_regression_leaves():
    seen = {}

    class Machine:
        def fit(self, X, y):
            seen["y"] = y

        def predict(self, X):
            return np.zeros(len(X))

    model = WithTrend(Machine()).fit(X, Y)
    # Ridge with penalty one and a free offset is least squares on centred rows with d more rows.
    centred = X - X.mean(axis=0)
    rows = np.vstack([centred, np.eye(3)])
    w = lstsq(rows, np.concatenate([Y - Y.mean(), np.zeros(3)]))[0]
    np.testing.assert_allclose(seen["y"], Y - Y.mean() - centred @ w, atol=1e-10)
    np.testing.assert_allclose(model.predict(X), Y - seen["y"], atol=1e-10)


def test_it_goes_on_along_the_line_far_from_the_data():
    far = np.array([[10.0, 0.0, 0.0]])
    truth = 51.0
    assert abs(WithTrend(stand_in.Regressor()).fit(X, Y).predict(far)[0] - truth) < 3.0
    assert abs(stand_in.Regressor().fit(X, Y).predict(far)[0] - truth) > 40.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saved_and_loaded_it_predicts_the_same(tmp_path, dtype):
    model = WithTrend(stand_in.Regressor()).fit(X.astype(dtype), Y)
    model.save(tmp_path / "estimator")
    again = WithTrend.load(tmp_path / "estimator", stand_in.load)
    np.testing.assert_array_equal(again.predict(X.astype(dtype)), model.predict(X.astype(dtype)))
    assert again.explain_ == model.explain_
    assert "linear trend" in model.explain_
