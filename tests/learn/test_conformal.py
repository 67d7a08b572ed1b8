"""Weighted quantiles, empirical likelihood and Nadaraya-Watson against their definitions."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize
from sklearn.gaussian_process.kernels import RBF as ReferenceRBF

from mercer.kernels import RBF, Linear, Wendland
from mercer.learn.conformal import (
    Calibrator,
    NadarayaWatson,
    empirical_likelihood,
    select_bandwidth,
)


def seeded(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def weighted(n, seed=1):
    w = seeded(n, seed=seed).abs()
    w[::5] = 0.0
    return w


@pytest.mark.parametrize("n", [1, 7, 99, 100, 999])
def test_equal_weights_are_split_conformal_at_every_percentage(n):
    scores = seeded(n)
    ordered = sorted(scores.tolist())
    calibrator = Calibrator.fit(scores)
    for percent in range(101):
        rank = max(1, -(-(n + 1) * percent // 100))
        wanted = ordered[rank - 1] if rank <= n else math.inf
        assert float(calibrator.quantile(percent / 100)) == wanted, percent
        rank = min(n, (n + 1) * percent // 100)
        wanted = ordered[rank - 1] if rank >= 1 else -math.inf
        assert float(calibrator.lower_quantile(percent / 100)) == wanted, percent


@pytest.mark.parametrize("own", [0.0, 0.3, 2.0])
def test_quantile_is_that_of_the_measure_with_an_atom_at_infinity(own):
    scores, w = seeded(40), weighted(40)
    calibrator = Calibrator.fit(scores, w, test_weight=own)
    total = float(w.sum()) + own
    for level in np.linspace(0.013, 0.997, 37):
        enough = [s for s in scores.tolist() if float(w[scores <= s].sum()) >= level * total]
        assert float(calibrator.quantile(level)) == min(enough, default=math.inf)
        above = [s for s in scores.tolist() if float(w[scores >= s].sum()) >= (1 - level) * total]
        assert float(calibrator.lower_quantile(level)) == max(above, default=-math.inf)


@pytest.mark.parametrize("own", [0.0, 0.3])
@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.37])
def test_shortest_interval_is_the_best_of_all_pairs(own, alpha):
    scores, w = seeded(30), weighted(30)
    total = float(w.sum()) + own
    pairs = [
        (b - a, a, b)
        for a in scores.tolist()
        for b in scores.tolist()
        if a <= b and float(w[(scores >= a) & (scores <= b)].sum()) >= (1 - alpha) * total + own
    ]
    lower, upper = Calibrator.fit(scores, w, test_weight=own).interval(alpha)
    assert (float(lower), float(upper)) == pytest.approx(min(pairs)[1:], abs=1e-12)


def test_shortest_interval_is_no_wider_than_any_beta():
    calibrator = Calibrator.fit(seeded(60).exp(), weighted(60), test_weight=0.0)
    lower, upper = calibrator.interval(0.2)
    widths = []
    for beta in np.linspace(0, 0.2, 401):
        low, high = calibrator.interval(0.2, float(beta))
        widths.append(float(high - low))
    assert float(upper - lower) == pytest.approx(min(widths), rel=1e-9)


def test_rows_of_weights_are_separate_calibrators():
    scores = seeded(25)
    w = torch.stack([weighted(25, seed) for seed in (1, 2, 3)])
    together = Calibrator.fit(scores, w)
    for k, row in enumerate(w):
        one = Calibrator.fit(scores, row)
        assert together.quantile(0.8)[k] == one.quantile(0.8)
        for whole, alone in zip(together.interval(0.3), one.interval(0.3)):
            assert whole[k] == alone
        n_eff = float(row.sum() ** 2 / row.square().sum())
        assert float(one.test_weight / one.cumulative[-1]) == pytest.approx(1 / n_eff)
        assert float(one.effective_rows) == pytest.approx(n_eff)


def test_too_few_rows_give_the_whole_line():
    lower, upper = Calibrator.fit(seeded(8)).interval(0.1)
    assert (float(lower), float(upper)) == (-math.inf, math.inf)


def test_split_conformal_covers_exchangeable_scores():
    """Mean coverage of many calibrations is rank / (n + 1), the exact law of order statistics."""
    n, trials = 49, 1000
    draws = torch.rand(trials, n, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    coverage = torch.stack([Calibrator.fit(row).quantile(0.9) for row in draws])
    assert float(coverage.mean()) == pytest.approx(45 / 50, abs=4 * 0.042 / trials**0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": torch.zeros(2, 2)}, "scores must have shape"),
        ({"scores": torch.tensor([0.0, math.nan])}, "scores has NaN"),
        ({"weights": torch.tensor([1.0, -1.0, 1.0])}, "weights must not be negative, got -1"),
        ({"weights": torch.zeros(3)}, "a row of zeros"),
        ({"weights": torch.ones(4)}, r"weights must have shape \(\*batch, 3\)"),
        ({"test_weight": -1.0}, "test_weight must be finite and at least 0, got -1"),
    ],
)
def test_calibrator_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Calibrator.fit(**{"scores": torch.zeros(3), **arguments})


@pytest.mark.parametrize("seed", range(4))
def test_empirical_likelihood_agrees_with_scipy(seed):
    z = seeded(12, seed=seed) + 0.4
    found = empirical_likelihood(z)
    p = 1 / (12 * (1 + found.multiplier * z))
    best = minimize(
        lambda p: -np.log(p).sum(),
        np.full(12, 1 / 12),
        jac=lambda p: -1 / p,
        bounds=[(1e-9, 1)] * 12,
        constraints=[
            {"type": "eq", "fun": lambda p: p.sum() - 1},
            {"type": "eq", "fun": lambda p: p @ z.numpy()},
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert best.success
    np.testing.assert_allclose(p.numpy(), best.x, atol=2e-6)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
@pytest.mark.parametrize("least", [-1.0, -1e-3, -1e-9])
def test_multiplier_is_the_root_even_near_a_pole(scale, least):
    z = scale * torch.cat((torch.tensor([least], dtype=torch.float64), seeded(200).abs()))
    found = empirical_likelihood(z)
    values, n = z.numpy(), len(z)
    low, high = (1 / n - 1) / values.max(), (1 / n - 1) / values.min()
    root = brentq(lambda m: float((values / (1 + m * values)).sum()), low, high, xtol=1e-300)
    assert float(found.multiplier) == pytest.approx(root, rel=1e-6)
    p = 1 / (n * (1 + found.multiplier * z))
    assert float(p.sum()) == pytest.approx(1, abs=1e-6)


def test_rows_without_a_mean_of_zero_are_named():
    z = torch.tensor([[1.0, 2.0], [-1.0, 0.0], [0.0, 0.0], [-1.0, 1.0]], dtype=torch.float64)
    found = empirical_likelihood(z)
    assert found.feasible.tolist() == [False, False, True, True]
    assert found.multiplier.tolist() == [0.0, 0.0, 0.0, 0.0]


def test_empirical_likelihood_says_when_it_is_not_there():
    with pytest.raises(RuntimeError, match="after 1 iterations"):
        empirical_likelihood(seeded(3, 20) + 0.5, max_iterations=1)


@pytest.mark.parametrize("reweighted", [False, True])
@pytest.mark.parametrize("kernel", [RBF(), Wendland(3.0, dimension=2)])
def test_weights_follow_their_definition(kernel, reweighted):
    X, Y, Z, h = seeded(50, 2), seeded(50, seed=1), 0.3 * seeded(5, 2, seed=2), 0.8
    estimate = NadarayaWatson(kernel, X, Y, bandwidth=h, reweighted=reweighted, coordinate=1)
    W = estimate.weights(Z).values.numpy()
    np.testing.assert_allclose(W.sum(axis=1), 1)
    K = kernel(Z / h, X / h).dense().numpy()
    if isinstance(kernel, RBF):
        np.testing.assert_allclose(K, ReferenceRBF(h)(Z.numpy(), X.numpy()), rtol=1e-10)
    for w, k, z in zip(W, K, Z.numpy()):
        if reweighted:  # the moment, and p = w / K of the form 1 / (a + b z)
            moment = X.numpy()[:, 1] - z[1]
            assert abs(w @ moment) < 1e-9
            near = k > 1e-8 * k.max()
            line = np.polyfit((moment * k)[near], k[near] / w[near], 1)
            np.testing.assert_allclose(np.polyval(line, (moment * k)[near]), k[near] / w[near])
        else:
            np.testing.assert_allclose(w, k / k.sum())
    y = torch.tensor([-0.5, 0.0, 1.0], dtype=torch.float64)
    cdf = W @ (Y.numpy()[:, None] <= y.numpy())
    np.testing.assert_allclose(estimate.cdf(Z, y).numpy(), cdf, atol=1e-12)
    np.testing.assert_allclose(estimate.mean(Z).numpy(), W @ Y.numpy(), atol=1e-12)
    ordered = np.argsort(Y.numpy())
    median = [Y.numpy()[ordered][np.searchsorted(np.cumsum(w[ordered]), 0.5)] for w in W]
    np.testing.assert_allclose(estimate.quantile(Z, 0.5).numpy(), median)


def test_reweighting_reproduces_a_line_and_the_plain_estimate_does_not():
    X = seeded(300, 1).exp()  # a sloping density, whose bias the constraint removes
    Z = torch.linspace(0.5, 2.5, 9, dtype=torch.float64)[:, None]
    Y = 3 * X[:, 0] - 1
    found = NadarayaWatson(RBF(), X, Y, bandwidth=0.5).mean(Z)
    torch.testing.assert_close(found, 3 * Z[:, 0] - 1, rtol=0, atol=1e-8)
    plain = NadarayaWatson(RBF(), X, Y, bandwidth=0.5, reweighted=False).mean(Z)
    assert float((plain - (3 * Z[:, 0] - 1)).abs().max()) > 0.3


def test_points_that_do_not_count_are_as_if_not_there():
    X, Y, Z = seeded(40, 2), seeded(40, seed=1), 0.2 * seeded(3, 2, seed=2)
    counted = seeded(3, 40, seed=4) > -0.5
    whole = NadarayaWatson(RBF(), X, Y).weights(Z, counted).values
    for row, z, mask in zip(whole, Z, counted):
        alone = NadarayaWatson(RBF(), X[mask], Y[mask]).weights(z[None]).values[0]
        torch.testing.assert_close(row[mask], alone, rtol=1e-7, atol=1e-12)
        assert not row[~mask].any()


def test_outside_the_sample_weights_are_plain_and_say_so():
    X, Y = seeded(30, 1), seeded(30, seed=1)
    Z = torch.tensor([[0.0], [9.0]], dtype=torch.float64)
    found = NadarayaWatson(RBF(), X, Y, bandwidth=2.0).weights(Z)
    plain = NadarayaWatson(RBF(), X, Y, bandwidth=2.0, reweighted=False).weights(Z)
    assert found.feasible.tolist() == [True, False]
    torch.testing.assert_close(found.values[1], plain.values[1])
    far = NadarayaWatson(Wendland(dimension=1), X, Y)
    assert far.weights(Z).reached.tolist() == [True, False]
    with pytest.raises(ValueError, match="no point is within reach of the query in row 1"):
        far.quantile(Z, 0.5)


def test_conditional_quantiles_of_an_autoregression():
    """Given x, the next value of x_t = 0.7 x_(t-1) + e is N(0.7 x, 1)."""
    e, x = seeded(20_001, seed=5), [0.0]
    for shock in e.tolist():
        x.append(0.7 * x[-1] + shock)
    series = torch.tensor(x, dtype=torch.float64)
    estimate = NadarayaWatson(RBF(), series[:-1, None], series[1:], bandwidth=0.25)
    Z = torch.tensor([[-1.5], [0.0], [1.0]], dtype=torch.float64)
    for level, normal in ((0.05, -1.6449), (0.5, 0.0), (0.95, 1.6449)):
        wanted = 0.7 * Z[:, 0] + normal
        torch.testing.assert_close(estimate.quantile(Z, level), wanted, rtol=0, atol=0.15)
    lower, upper = estimate.interval(Z, 0.1)
    torch.testing.assert_close(upper - lower, torch.full_like(lower, 3.2897), rtol=0, atol=0.2)


def test_criterion_follows_its_formula_and_finds_the_scale():
    X = seeded(150, 1)
    Y = torch.sin(6 * X[:, 0]) + 0.1 * seeded(150, seed=1)
    tried = [0.01, 0.1, 1.0]
    found = select_bandwidth(RBF(), X, Y, candidates=tried, levels=[0.3, 0.8], reweighted=False)
    y = np.quantile(Y.numpy(), [0.3, 0.8])
    below = (Y.numpy()[:, None] <= y).astype(float)
    for h, criterion in zip(tried, found.criteria):
        S = ReferenceRBF(h)(X.numpy())
        S /= S.sum(axis=1, keepdims=True)
        t = np.trace(S)
        wanted = np.log(np.square(below - S @ below).mean()) + (150 + t) / (150 - t - 2)
        assert criterion == pytest.approx(wanted, rel=1e-6)
    assert found.bandwidth == 0.1


def test_bandwidth_of_what_does_not_vary_is_the_widest():
    X = seeded(40, 1)
    assert select_bandwidth(RBF(), X, torch.zeros(40).double(), candidates=[1.0, 4.0, 2.0])[0] == 4
    with pytest.raises(ValueError, match="candidates must reach more points"):
        select_bandwidth(RBF(), X, seeded(40), candidates=[1e-9])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": Linear()}, "kernel must be stationary"),
        ({"bandwidth": -1.0}, "bandwidth must be positive, got -1"),
        ({"coordinate": 2}, "coordinate must be below 2, got 2"),
        ({"Y": torch.zeros(4, dtype=torch.float64)}, "X and Y must have shapes"),
    ],
)
def test_nadaraya_watson_refuses(change, message):
    given = {"kernel": RBF(), "X": seeded(5, 2), "Y": seeded(5), **change}
    kernel, X, Y = given.pop("kernel"), given.pop("X"), given.pop("Y")
    with pytest.raises(ValueError, match=message):
        NadarayaWatson(kernel, X, Y, **given)
