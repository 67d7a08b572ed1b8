"""The likelihood-ratio test against scikit-learn, Wilks' law and laws of p-values and e-values."""

import warnings

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.estimator_checks import check_estimator

import mercer
from mercer.kernels import Linear
from mercer.learn.monitoring import DataQualityMonitor, LikelihoodRatioTest, drift_tubes, judge
from mercer.learn.monitoring.likelihood_ratio import _extended_likelihood_ratio


@pytest.fixture(scope="module")
def monitor():
    rng = np.random.default_rng(0)
    monitor = DataQualityMonitor(100, toys=60, reference_size=800, random_state=0)
    return monitor.fit(drift_tubes(10_000, rng))


def test_statistic_is_that_of_weighted_logistic_regression():
    rng = np.random.default_rng(0)
    R, D = rng.standard_normal((80, 2)), rng.standard_normal((20, 2)) + 0.5
    options = {"lengthscale": 1.0, "centers": 100, "regularisation": 1e-3, "toys": 1}
    test = LikelihoodRatioTest(20, scaled=False, reference_size=80, **options).fit(
        rng.standard_normal((200, 2))
    )
    generator = torch.Generator().manual_seed(0)
    found, f = test._statistic(torch.from_numpy(R), torch.from_numpy(D), generator)
    X = np.concatenate([R, D])
    root = np.linalg.cholesky(rbf_kernel(X, gamma=0.5) + 1e-12 * np.eye(100))
    oracle = LogisticRegression(C=1 / (100 * 1e-3), fit_intercept=False, tol=1e-10, max_iter=10_000)
    weights = np.r_[np.full(80, 20 / 80), np.ones(20)]
    oracle.fit(root, np.r_[np.zeros(80), np.ones(20)], weights)
    F = root @ oracle.coef_[0]
    assert found == pytest.approx(-2 * (20 / 80 * np.expm1(F[:80]).sum() - F[80:].sum()), rel=1e-4)
    np.testing.assert_allclose(f.numpy(), F[80:], atol=1e-4)


def test_degrees_of_freedom_are_those_of_wilks():
    """With a linear kernel in d = 3 and a large reference the law is chi-squared with 3 d.o.f."""
    pool = np.random.default_rng(0).standard_normal((4000, 3))
    options = {"kernel": Linear(), "centers": 4, "regularisation": 1e-9, "toys": 120}
    test = LikelihoodRatioTest(50, reference_size=1000, random_state=0, **options).fit(pool)
    assert test.dof_ == pytest.approx(3, abs=5 * np.sqrt(6 / 120))
    assert test.agreement_ > 0.01


def test_p_values_of_good_batches_are_uniform(monitor):
    rng = np.random.default_rng(1)
    p = [monitor.test(drift_tubes(100, rng), draw=k).p_value for k in range(40)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_bad_batches_are_found(monitor):
    rng = np.random.default_rng(1)
    for anomaly in ({"voltage": 0.25}, {"threshold": 0.5}):
        assert monitor.test(drift_tubes(100, rng, **anomaly)).p_value < 1e-6


def test_the_ratio_points_at_what_is_too_many(monitor):
    rng = np.random.default_rng(1)
    bad = drift_tubes(100, rng)
    bad[:30, 4] += 60.0
    ratio = monitor.test(bad).log_ratio
    assert ratio[:30].min() > np.median(ratio[30:])


def test_scaling_matters_for_the_worst_batches_only(monitor):
    rng = np.random.default_rng(1)
    unscaled = LikelihoodRatioTest(100, toys=1, reference_size=800, random_state=0, scaled=False)
    unscaled.fit(drift_tubes(10_000, np.random.default_rng(0)))
    good = drift_tubes(100, rng)
    assert unscaled.test(good).statistic == pytest.approx(monitor.test(good).statistic, rel=0.02)
    f_R, f_D = rng.normal(-0.5, 0.5, 400), rng.normal(1.5, 0.5, 100)
    f_R[7] = 15.0  # one reference event that logistic loss bears with
    a = np.linspace(0, 1, 100_001)
    grid = 2 * (a * f_D.sum() - 0.25 * sum(np.expm1(a * f) for f in f_R))
    arguments = torch.from_numpy(f_R), torch.from_numpy(f_D), 0.25
    best = _extended_likelihood_ratio(*arguments, scaled=True)
    assert _extended_likelihood_ratio(*arguments, scaled=False) == pytest.approx(grid[-1])
    assert best == pytest.approx(grid.max(), rel=1e-6)
    assert grid[-1] < 0 < 10 < best


def test_laws_of_p_values(monitor):
    null, t = monitor.null_.numpy(), float(monitor.null_[40])
    assert monitor.dof_ == pytest.approx(null.mean())
    assert monitor.p_value(t) == pytest.approx(stats.chi2.sf(t, null.mean()))
    z = monitor.test(drift_tubes(100, np.random.default_rng(3)))
    assert stats.norm.sf(z.z_score) == pytest.approx(z.p_value)
    empirical = LikelihoodRatioTest(20, null="empirical", toys=9, random_state=0).fit(
        np.random.default_rng(0).standard_normal((300, 2))
    )
    assert [empirical.p_value(float(x)) for x in empirical.null_] == pytest.approx(
        [(10 - k) / 10 for k in range(9)]
    )
    assert empirical.p_value(1e9) == pytest.approx(0.1)


def test_numbers_of_events_are_tested_where_they_vary():
    rng = np.random.default_rng(0)
    pool = rng.standard_normal((3000, 2))
    counting = LikelihoodRatioTest(100, counts="poisson", toys=30, random_state=0).fit(pool)
    usual, many = (counting.test(rng.standard_normal((n, 2))).p_value for n in (104, 200))
    assert usual > 0.01
    assert many < 1e-4


def test_same_draw_same_bits(monitor):
    D = drift_tubes(100, np.random.default_rng(4))
    assert monitor.test(D, draw=3).statistic == monitor.test(D, draw=3).statistic
    assert monitor.test(D, draw=3).statistic != monitor.test(D, draw=4).statistic
    ratio = monitor.test(torch.from_numpy(D), draw=3).log_ratio
    assert isinstance(ratio, torch.Tensor)
    np.testing.assert_array_equal(ratio.numpy(), monitor.test(D, draw=3).log_ratio)


def test_rules():
    assert quad(lambda p: judge("e-detector", p, 0.0, 1, 0.1).evidence, 0, 1)[0] == pytest.approx(1)
    levels = [judge("ever", 1.0, 0.0, j, 0.05).level for j in range(1, 2001)]
    assert sum(levels) == pytest.approx(0.05, rel=1e-3)
    assert [judge("each", p, 0.0, 7, 0.05).sounded for p in (0.05, 0.051)] == [True, False]
    assert judge("e-detector", 0.0, 0.0, 1, 1e-9).sounded


def test_time_between_false_alarms_of_the_e_detector():
    rng, runs = np.random.default_rng(0), []
    for _ in range(300):
        evidence, batch, sounded = 0.0, 0, False
        while not sounded:
            batch += 1
            sounded, evidence, _ = judge("e-detector", rng.uniform(), evidence, batch, 0.05)
        runs.append(batch)
    assert np.mean(runs) > 1 / 0.05


def test_a_saved_monitor_goes_on(tmp_path, monitor):
    rng = np.random.default_rng(5)
    monitor.batches_, monitor.evidence_, monitor.p_values_ = 0, 0.0, []
    good = [drift_tubes(100, rng) for _ in range(4)]
    for D in good[:2]:
        assert not monitor.update(D).sounded
    monitor.save(tmp_path / "monitor")
    loaded = mercer.load(tmp_path / "monitor")
    for D in good[2:]:
        one, two = monitor.update(D), loaded.update(D)
        assert one[:6] == two[:6]
        np.testing.assert_array_equal(one.log_ratio, two.log_ratio)
    assert loaded.batches_ == 4
    assert loaded.p_values_ == monitor.p_values_
    alarm = loaded.update(drift_tubes(100, rng, voltage=0.25))
    assert alarm.sounded
    assert loaded.evidence_ == 0.0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": 50}, "n_samples = 200 events, but a toy takes 250"),
        ({"null": "normal"}, "null must be one of"),
        ({"counts": "any"}, "counts must be one of"),
        ({"regularisation": 0.0}, "regularisation must be positive, got 0"),
        ({"lengthscale": -1.0}, "lengthscale must be positive, got -1"),
        ({"rule": "cusum"}, "rule must be one of each, ever, e-detector, got 'cusum'"),
        ({"false_alarm": 1.5}, "false_alarm must be between 0 and 1, got 1.5"),
        (
            {"null": "empirical", "toys": 20, "rule": "each", "false_alarm": 0.01},
            "toys=20 give no p-value below",
        ),
    ],
)
def test_bad_parameters(options, sentence):
    options = {"batch_size": 10, **options}
    with pytest.raises(ValueError, match=sentence):
        DataQualityMonitor(**options).fit(np.random.default_rng(0).standard_normal((200, 2)))


def test_bad_batches_of_data(monitor):
    D = drift_tubes(100, np.random.default_rng(0))
    with pytest.raises(ValueError, match="batch has 99 events, but the test is calibrated for 100"):
        monitor.test(D[1:])
    with pytest.raises(ValueError, match="X has 4 features"):
        monitor.test(D[:, 1:])
    D[7, 2] = np.inf
    with pytest.raises(ValueError, match="X has infinity at row 7, column 2"):
        monitor.update(D)


def test_drift_tubes():
    rng = np.random.default_rng(0)
    good = drift_tubes(20_000, rng)
    longest = 21 / 0.054  # ns, half a cell at the velocity of drift
    assert np.quantile(good[:, :4], 0.5) == pytest.approx(longest / 2, rel=0.03)
    # Hits on alternate sides of the wires of three layers: their mean time is the longest one.
    mean_time = (good[:, 0] + good[:, 2]) / 2 + good[:, 1]
    assert np.mean(np.abs(mean_time - longest) < 15) > 0.5
    slow = drift_tubes(20_000, rng, voltage=0.5)
    assert np.quantile(slow[:, 0], 0.99) / np.quantile(good[:, 0], 0.99) > 1.03
    early = drift_tubes(20_000, rng, threshold=0.5)
    assert np.median(good[:, :4]) - np.median(early[:, :4]) > 4 * np.log(2)
    with pytest.raises(ValueError, match=r"voltage must be between 0 and 1, got 1\.2"):
        drift_tubes(10, rng, voltage=1.2)


@pytest.mark.slow
def test_contract_of_scikit_learn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(DataQualityMonitor(1, toys=5), on_skip=None)
