"""Intervals for series against loops over time, known laws and the contract of estimators."""

import copy
import importlib
import math

import numpy as np
import pandas
import pytest
import torch
from scipy.stats import norm
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import make_regression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import check_estimator

from mercer.kernels import RBF, Wendland
from mercer.learn.conformal import Calibrator, KernelWeightedConformal, NadarayaWatson
from mercer.learn.conformal.out_of_sample import bootstrap, split
from mercer.learn.conformal.recalibration import calibrated_level, least_levels
from mercer.learn.conformal.residual_intervals import ResidualIntervals, residual_intervals
from mercer.testing.estimator import check_containers, check_seed

contract = importlib.import_module("mercer.testing.estimator")


class Recorder(RegressorMixin, BaseEstimator):
    """Remembers the rows that it was fitted to, and predicts whether it was given a row."""

    def fit(self, X, y):
        self.rows_ = set(X[:, 0].astype(int))
        return self

    def predict(self, X):
        return np.array([float(int(x) in self.rows_) for x in X[:, 0]])


def autoregression(n, seed, slope=0.8):
    """``x_t = slope x_(t-1) + e``, and the mean of each value given the one before."""
    rng = np.random.default_rng(seed)
    x = np.zeros(n)
    for t in range(1, n):
        x[t] = slope * x[t - 1] + rng.standard_normal()
    return x


def model(**options):
    return KernelWeightedConformal(
        LinearRegression(), **{"window": 1, "random_state": 0, "n_estimators": 4, **options}
    )


def series(n=200, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, 2))
    return X, X[:, 0] + autoregression(n, seed + 1)


def covered(interval, y):
    return (interval[:, 0] <= y) & (y <= interval[:, 1])


def test_intervals_are_those_of_a_loop_over_time():
    residuals = torch.from_numpy(autoregression(60, 0))
    memory, w, steps = 40, 2, 21
    found = residual_intervals(
        residuals, steps, [0.1, 0.3], kernel=RBF(), bandwidth=1.5, window=w, memory=memory
    )
    for t in range(steps):
        now = 40 + t  # the residual that is to be covered; the last one is not there
        past = residuals[now - memory : now].numpy()
        X = np.stack([past[i : i + w][::-1] for i in range(memory - w)])
        estimate = NadarayaWatson(
            RBF(), torch.from_numpy(X), torch.from_numpy(past[w:].copy()), bandwidth=1.5
        )
        Z = torch.from_numpy(past[-w:][::-1].copy())[None]
        for k, alpha in enumerate((0.1, 0.3)):
            lower, upper = estimate.interval(Z, alpha)
            assert (found.lower[k, t], found.upper[k, t]) == (lower[0], upper[0])


def test_without_a_neighbour_all_past_residuals_weigh_the_same():
    residuals = torch.from_numpy(np.r_[autoregression(50, 0), 100.0])
    found = residual_intervals(
        residuals, 1, [0.1], kernel=Wendland(dimension=1), bandwidth=1.0, window=1, memory=40
    )
    assert not bool(found.reached[0])
    lower, upper = Calibrator.fit(residuals[-39:], test_weight=0.0).interval(0.1)
    assert (found.lower[0, 0], found.upper[0, 0]) == (lower, upper)


def test_level_is_the_one_that_held():
    radius = torch.tensor([4.0, 3.0, 2.0, 1.0])  # at levels 0.95, 0.9, 0.8, 0.5
    alphas = [0.05, 0.1, 0.2, 0.5]
    upper = radius[:, None].expand(4, 12)
    flags = torch.ones(12, dtype=torch.bool)
    intervals = ResidualIntervals(-upper, upper, flags, flags)
    residuals = torch.tensor([0.5, 1.5, 2.5, 3.5, 9.0, -0.5, -1.5, 0.1, 0.2, 0.3, 0.4, 2.2])
    scores = least_levels(intervals, residuals, alphas)
    wanted = [0.5, 0.8, 0.9, 0.95, 1.0, 0.5, 0.8, 0.5, 0.5, 0.5, 0.5, 0.9]
    torch.testing.assert_close(scores, torch.tensor(wanted))
    # Four steps over nine scores each: the ceil(10 * 0.8) = 8th smallest of each nine.
    for t, used in enumerate(calibrated_level(scores, 4, alphas, 0.2).tolist()):
        level = sorted(wanted[t : t + 9])[7]
        enough = [k for k, alpha in enumerate(alphas) if 1 - alpha >= level - 1e-6]
        assert used == max(enough, default=0)


@pytest.mark.parametrize("recalibration", [0, 40])
def test_walking_is_predicting_and_updating(recalibration):
    X, y = series()
    fitted = model(recalibration=recalibration).fit(X[:150], y[:150])
    untouched = copy.deepcopy(fitted)
    whole = fitted.predict_interval(X[150:], y[150:])
    np.testing.assert_array_equal(whole, fitted.predict_interval(X[150:], y[150:]))
    assert torch.equal(fitted.residuals_, untouched.residuals_)
    for t in range(150, 162):
        one = fitted.predict_interval(X[t : t + 1])
        np.testing.assert_allclose(one[0], whole[t - 150], rtol=1e-12)
        fitted.update(X[t : t + 1], y[t : t + 1])
    untouched.update(X[150:162], y[150:162])
    torch.testing.assert_close(untouched.residuals_, fitted.residuals_)
    torch.testing.assert_close(untouched.levels_, fitted.levels_)


def test_an_interval_reads_nothing_of_the_future():
    X, y = series()
    fitted = model().fit(X[:150], y[:150])
    whole = fitted.predict_interval(X[150:], y[150:])
    other = y[150:].copy()
    other[20:] += 50
    changed = fitted.predict_interval(X[150:], other)
    np.testing.assert_array_equal(whole[:21], changed[:21])
    assert np.abs(whole[21:] - changed[21:]).max() > 1


def test_update_does_not_fit_the_members_again():
    X, y = series()
    fitted = model().fit(X[:150], y[:150])
    members = list(fitted.estimators_)
    fitted.update(X[150:], y[150:])
    assert all(a is b for a, b in zip(members, fitted.estimators_))
    wanted = np.mean([member.predict(X) for member in members], axis=0)
    np.testing.assert_allclose(fitted.predict(X), wanted)


@pytest.mark.parametrize("recalibration", [0, 250])
def test_coverage_given_the_past_of_an_autoregression(recalibration):
    """The law of the next value is known, so coverage is exact up to the estimate of the ends."""
    y = autoregression(4000, 3)
    X = np.zeros((4000, 1))
    fitted = KernelWeightedConformal(
        DummyRegressor(), 0.1, 1, bandwidth=0.5, residuals="split", recalibration=recalibration
    ).fit(X[:3600], y[:3600])
    interval = fitted.predict_interval(X[3600:], y[3600:])
    mean = 0.8 * y[3599:-1]
    coverage = norm.cdf(interval[:, 1] - mean) - norm.cdf(interval[:, 0] - mean)
    assert coverage.mean() == pytest.approx(0.9, abs=0.03)
    assert np.mean(interval[:, 1] - interval[:, 0]) == pytest.approx(2 * 1.645, rel=0.1)
    for side in (mean < -1.5, mean > 1.5):  # where one width for all would miss the level
        assert coverage[side].mean() == pytest.approx(0.9, abs=0.06)


def test_out_of_bag_predictions_come_from_members_that_did_not_see_the_row():
    X = np.arange(60.0)[:, None]
    members, prediction = bootstrap(Recorder(), X, X[:, 0], 6, np.random.RandomState(0))
    assert not prediction.any()
    assert all(len(member.rows_) > 20 for member in members)
    # With two members some rows are in both, and are taken out of one.
    for seed in range(5):
        assert not bootstrap(Recorder(), X, X[:, 0], 2, np.random.RandomState(seed))[1].any()
    (member,), prediction = split(Recorder(), X, X[:, 0], np.random.RandomState(0))
    assert member.rows_ == set(range(30))
    assert not prediction.any()
    assert len(prediction) == 30


def test_the_seed_reaches_the_members():
    X, y = series(80)
    forest = RandomForestRegressor(3)
    fits = [
        KernelWeightedConformal(forest, window=1, n_estimators=2, random_state=seed).fit(X, y)
        for seed in (0, 0, 1)
    ]
    one, two, three = (fit.predict_interval(X) for fit in fits)
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - three).max() > 0


def test_given_bandwidth_is_used_and_window_is_chosen():
    X, y = series()
    assert model(bandwidth=0.7).fit(X, y).bandwidth_ == 0.7
    assert model(window=3).fit(X, y).window_ == 3
    y = X[:, 0] + autoregression(200, 9, slope=0.9)
    assert model(window=None).fit(X, y).window_ == 1
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(600)
    for t in range(2, 600):  # the value two steps back matters, the last one does not
        noise[t] += 0.9 * noise[t - 2]
    held = KernelWeightedConformal(DummyRegressor(), residuals="split", recalibration=0)
    assert held.fit(np.zeros((600, 1)), noise).window_ == 2


def test_containers_of_intervals():
    X, y = series()
    fitted = model().fit(X[:150], y[:150])
    wanted = fitted.predict_interval(X[150:], y[150:])
    frame = pandas.DataFrame(X[150:], index=np.arange(50) + 7)
    with pytest.warns(UserWarning, match="feature names"):
        table = fitted.predict_interval(frame.rename(columns=str), pandas.Series(y[150:]))
    assert list(table.columns) == ["lower", "upper"]
    assert table.index.equals(frame.index)
    np.testing.assert_array_equal(table.to_numpy(), wanted)
    tensor = fitted.predict_interval(torch.from_numpy(X[150:]), torch.from_numpy(y[150:]))
    np.testing.assert_array_equal(tensor.numpy(), wanted)


def test_contract():
    X, y = contract._table(False)
    check_seed(model(), X, y)
    check_containers(model(), X, y)
    outcomes = check_estimator(
        model(n_estimators=2, recalibration=0, bandwidth=1.0), on_skip=None, on_fail=None
    )
    failed = [(o["check_name"], repr(o["exception"])) for o in outcomes if o["status"] == "failed"]
    skipped = {o["check_name"] for o in outcomes if o["status"] == "skipped"}
    assert not failed
    assert skipped <= {"check_array_api_input"}
    assert len(outcomes) > 40


def test_saving_is_refused_in_one_sentence(tmp_path):
    X, y = series(60)
    with pytest.raises(TypeError, match="cannot be saved: its members are any regressors"):
        model().fit(X, y).save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha must be between 0 and 1, got 0.0"),
        ({"window": 0}, "window must be at least 1, got 0"),
        ({"n_estimators": 1}, "n_estimators must be at least 2, got 1"),
        ({"recalibration": -1}, "recalibration must be at least 0, got -1"),
        ({"bandwidth": -0.3}, "bandwidth must be positive, got -0.3"),
        ({"residuals": "jackknife"}, "residuals must be bootstrap or split, got 'jackknife'"),
        ({"window": 100}, "X must have at least 204 rows for a window of 100"),
    ],
)
def test_parameters_are_checked(options, message):
    X, y = series(60)
    with pytest.raises(ValueError, match=message):
        model(**options).fit(X, y)


def test_data_are_checked():
    X, y = series(60)
    with pytest.raises(ValueError, match="y must have one column, got 2"):
        model().fit(X, np.c_[y, y])
    fitted = model().fit(X, y)
    broken = y.copy()
    broken[3] = math.nan
    with pytest.raises(ValueError, match="y has NaN at row 3"):
        fitted.update(X, broken)


@pytest.mark.slow
def test_thousands_of_steps_do_not_depend_on_blocks():
    X, y = make_regression(4000, 3, noise=5.0, random_state=0)
    fitted = model().fit(X[:2000], y[:2000])
    whole = fitted.predict_interval(X[2000:], y[2000:])
    half = fitted.predict_interval(X[2000:3000], y[2000:3000])
    fitted.update(X[2000:3000], y[2000:3000])
    np.testing.assert_allclose(
        np.r_[half, fitted.predict_interval(X[3000:], y[3000:])], whole, rtol=1e-12
    )
    assert covered(whole, y[2000:]).mean() == pytest.approx(0.9, abs=0.03)
