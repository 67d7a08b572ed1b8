"""Kernel balancing against SciPy's solvers, closed forms and simulation."""

import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import LinearConstraint, minimize
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator as check_scikit_learn

from mercer.kernels import RBF
from mercer.learn.recommend import (
    BalancedPropensity,
    DebiasedFactorisation,
    balance,
    doubly_robust,
    fit_propensity,
    inverse_propensity,
    opinions,
    self_normalised,
    simulate_ratings,
)
from mercer.linalg.solution import ConvergenceWarning
from mercer.testing.estimator import check_containers, check_order, check_saving, check_seed

ESTIMATORS = ("naive", "ips", "snips", "dr", "dr-jl")


@pytest.fixture(scope="module")
def programme():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 2))
    seen = rng.uniform(size=80) < 1 / (1 + np.exp(0.5 - X[:, 0]))
    K = np.exp(-cdist(X, X[:4], "sqeuclidean") / 2)
    return K[seen], K.mean(0), 80


def primal(H, target, total, a, b, C, norm, slack=None):
    """The programme as it is written, by SciPy; ``slack`` is the price of imbalance."""
    n, J = H.shape

    def value(v):
        excess = np.maximum(v[:n] - a, 1e-12)
        cost = np.sum(excess * np.log(excess / b) - excess) / total
        return cost + (0 if slack is None else slack * v[n:].sum())

    def slope(v):
        excess = np.maximum(v[:n] - a, 1e-12)
        entropy = np.log(excess / b) / total
        return np.concatenate([entropy, np.full(len(v) - n, slack or 0.0)])

    extra = 0 if slack is None else J
    pad = np.zeros((1, extra))
    constraints = [LinearConstraint(np.hstack([np.ones((1, n)), pad]), total, total)]
    A, eye = H.T / total, np.eye(J)[:, :extra]
    if norm == "largest":
        constraints += [
            LinearConstraint(np.hstack([A, -eye]), -np.inf, target + C),
            LinearConstraint(np.hstack([A, eye]), target - C, np.inf),
        ]
    else:
        constraints.append(
            {
                "type": "ineq",
                "fun": lambda v: C**2 - np.sum((A @ v - target) ** 2),
                "jac": lambda v: -2 * (A @ v - target) @ A,
            }
        )
    start = np.concatenate([np.full(n, total / n), np.full(extra, 1.0)])
    bounds = [(a + 1e-9, None)] * n + [(0, None)] * extra
    found = minimize(
        value,
        start,
        jac=slope,
        bounds=bounds,
        constraints=constraints,
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-13},
    )
    assert found.success
    return found.x[:n]


@pytest.mark.parametrize("norm", ["largest", "euclidean"])
@pytest.mark.parametrize("a", [0, 1])
def test_weights_are_the_optimum_of_the_programme(programme, a, norm):
    H, target, total = programme
    b = np.linspace(0.5, 2.0, len(H))
    expected = primal(H, target, total, a, b, 0.01, norm)
    found = balance(
        *map(torch.from_numpy, (H, target)),
        total,
        prior=torch.from_numpy(b),
        least_weight=a,
        tolerance=0.01,
        norm=norm,
    )
    np.testing.assert_allclose(found.weights.numpy(), expected, rtol=2e-4)
    size = found.imbalance.norm() if norm == "euclidean" else found.imbalance.abs().max()
    assert 0.0099 < float(size) <= 0.01  # the constraint is active, and kept
    np.testing.assert_allclose(float(found.weights.sum()), total, rtol=1e-7)


def test_a_finite_penalty_buys_slack(programme):
    H, target, total = programme
    expected = primal(H, target, total, 0, 1.0, 0.005, "largest", slack=0.3)
    found = balance(
        *map(torch.from_numpy, (H, target)),
        total,
        least_weight=0,
        tolerance=0.005,
        penalty=0.3,
    )
    np.testing.assert_allclose(found.weights.numpy(), expected, rtol=5e-4)
    assert float(found.imbalance.abs().max()) > 0.006
    assert float(found.coefficients.abs().max()) <= 0.3


def test_zero_tolerance_balances_exactly(programme):
    H, target, total = map(torch.as_tensor, programme)
    found = balance(H, target, int(total), tolerance=0.0)
    assert float(found.imbalance.abs().max()) < 1e-7
    assert float(found.weights.min()) > 1


@pytest.mark.parametrize("a", [0, 1])
def test_strata_have_weights_of_their_counts(a):
    # With an indicator for each stratum, w is (rows of the stratum) / (observed rows of it).
    strata = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2])
    counts = torch.tensor([10.0, 30.0, 5.0], dtype=torch.float64)
    H = torch.nn.functional.one_hot(strata, 3).double()[:, :2]
    found = balance(H, counts[:2] / 45, 45, tolerance=0.0, least_weight=a)
    expected = (counts / torch.bincount(strata))[strata]
    torch.testing.assert_close(found.weights, expected, rtol=1e-5, atol=0.0)


def test_what_cannot_be_balanced_is_said():
    H = torch.ones(5, 1, dtype=torch.float64)
    target = torch.tensor([0.5], dtype=torch.float64)
    with pytest.warns(ConvergenceWarning, match="finite penalty"):
        balance(H, target, 20, tolerance=1e-3, max_iterations=60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        balance(H, target, 20, tolerance=1e-3, penalty=2.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tolerance": -1.0}, "tolerance must be at least 0"),
        ({"penalty": 0.0}, "penalty must be positive"),
        ({"least_weight": 2}, "least_weight must be 0 or 1"),
        ({"norm": "l1"}, "norm must be one of"),
        ({"total": 3}, "total must be above"),
        ({"prior": torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)}, "prior must be positive"),
    ],
)
def test_bad_programmes_are_refused(change, message):
    H = torch.rand(3, 2, dtype=torch.float64)
    options = {"total": 9, **change}
    with pytest.raises(ValueError, match=message):
        balance(H, H.mean(0), options.pop("total"), **options)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    X = rng.uniform(-2, 2, (900, 2))
    p = 1 / (1 + np.exp(1.5 - X[:, 0] * X[:, 1]))
    return X, rng.uniform(size=900) < p, p


def test_balanced_functions_are_those_at_the_centres(rows):
    X, seen, _ = rows
    model = BalancedPropensity(RBF(1.0), count=12, tolerance=1e-3, random_state=0).fit(X, seen)
    K = np.exp(-cdist(X, model.centers_.numpy(), "sqeuclidean") / 2)
    w = model.weights_.numpy()
    left = np.abs(w @ K / len(X) - K.mean(0)).max()
    assert left <= 1.001e-3
    np.testing.assert_allclose(model.imbalance_, left, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(X)[seen, 1], 1 / w[seen], rtol=1e-6)
    assert (w[~seen] == 0).all()
    assert (w[seen] > 1).all()


def test_worst_case_bounds_every_function_of_the_ball(rows):
    X, seen, _ = rows
    model = BalancedPropensity(RBF(1.0), "worst-case", 12, tolerance=2e-3, random_state=0)
    model.fit(X, seen)
    Z = model.centers_.numpy()
    K, G = (np.exp(-cdist(x, Z, "sqeuclidean") / 2) for x in (X, Z))
    gap = model.weights_.numpy() @ K / len(X) - K.mean(0)
    # sup of gap(c) = c . gap over c G c <= 1.
    np.testing.assert_allclose(np.sqrt(gap @ np.linalg.solve(G, gap)), 2e-3, rtol=1e-3)
    c = np.random.default_rng(0).standard_normal((200, 12))
    ratios = np.abs(c @ gap) / np.sqrt(np.einsum("ij,jk,ik->i", c, G, c))
    assert ratios.max() <= 2.002e-3


def test_adaptive_functions_are_the_heaviest_of_a_ridge_regression(rows):
    X, seen, _ = rows
    error = np.exp(-((X - 1) ** 2).sum(1))
    model = BalancedPropensity(RBF(1.0), "adaptive", 3, random_state=0).fit(X, seen, error=error)
    Z = model.centers_.numpy()
    K, G = (np.exp(-cdist(x, Z, "sqeuclidean") / 2) for x in (X[seen], Z))
    e, lam = error[seen], 1e-4 * 2 * seen.sum()
    # The ridge takes the mean off first.
    epsilon = np.linalg.solve(2 * K.T @ K + lam * G, 2 * K.T @ (e - e.mean()))
    full = np.exp(-cdist(X, Z, "sqeuclidean") / 2)
    gap = np.abs(model.weights_.numpy() @ full / len(X) - full.mean(0))
    assert gap[np.argsort(-np.abs(epsilon))[:3]].max() <= 1.01e-4
    assert np.median(gap) > 2e-4  # the others are left alone
    bias = model.weights_.numpy() @ error / len(X) - error.mean()
    assert abs(bias) < 0.1 * abs(error[seen].mean() - error.mean())


def test_propensities_converge_to_the_truth():
    rng = np.random.default_rng(2)
    X = rng.uniform(-2, 2, (6000, 1))
    p = 1 / (1 + np.exp(1 - X[:, 0] ** 2))
    seen = rng.uniform(size=6000) < p
    found = BalancedPropensity(RBF(1.5), count=8, random_state=0).fit(X, seen).predict_proba(X)
    linear = LogisticRegression().fit(X, seen).predict_proba(X)
    assert np.sqrt(np.mean((found[:, 1] - p) ** 2)) < 0.03
    assert np.sqrt(np.mean((linear[:, 1] - p) ** 2)) > 0.15


def test_a_prior_that_balances_is_kept(rows):
    X, seen, p = rows
    found = BalancedPropensity(RBF(1.0), count=5, tolerance=0.2, random_state=0)
    w = found.fit(X, seen, prior=1 / p - 1).weights_.numpy()[seen]
    # Only the sum has to change: a common factor of the odds.
    odds = (w - 1) / (1 / p[seen] - 1)
    np.testing.assert_allclose(odds, odds[0], rtol=1e-4)


def test_propensity_keeps_the_laws_of_estimators(rows):
    X, seen, _ = rows
    X, seen = X[:60], seen[:60]
    model = BalancedPropensity(count=6, tolerance=1e-3, random_state=0)
    for check in (check_seed, check_containers, check_saving):
        check(model, X, seen.astype(int))
    check_order(model, X, seen.astype(int), 1e-4)


@pytest.mark.slow
def test_propensity_passes_scikit_learn():
    check_scikit_learn(BalancedPropensity(count=20, random_state=0), on_skip=None)


def test_logistic_propensities_are_scikit_learns(rows):
    X, seen, _ = rows
    expected = LogisticRegression(C=1.0, tol=1e-10).fit(X, seen).predict_proba(X)[:, 1]
    np.testing.assert_allclose(fit_propensity(X, seen), expected, atol=1e-5)


def test_estimates_are_unbiased_with_true_propensities():
    rng = np.random.default_rng(3)
    e, p = rng.uniform(1, 2, 400), rng.uniform(0.1, 0.9, 400)
    wrong = torch.from_numpy(rng.uniform(0, 3, 400))
    ips, robust, normalised = [], [], []
    for _ in range(1000):
        o = rng.uniform(size=400) < p
        E, w = torch.from_numpy(e[o]), torch.from_numpy(1 / p[o])
        ips.append(float(inverse_propensity(E, w, 400)))
        robust.append(float(doubly_robust(E, w, 400, wrong[o], wrong.mean())))
        normalised.append(float(self_normalised(E, w)))
    for values in (ips, robust):
        assert abs(np.mean(values) - e.mean()) < 4 * np.std(values) / np.sqrt(1000)
    assert np.std(normalised) < np.std(ips)
    # With true imputed errors any weights do.
    E, o = torch.from_numpy(e), torch.arange(400) % 3 == 0
    value = doubly_robust(E[o], torch.rand(int(o.sum())).double(), 400, E[o], E.mean())
    assert abs(float(value) - e.mean()) < 1e-12


def test_simulated_selection_is_what_it_says():
    table = simulate_ratings(200, 200, rng=np.random.default_rng(4), density=0.1)
    np.testing.assert_allclose(table.propensities.mean(), 0.1, rtol=1e-6)
    shares = [(table.ratings == s).mean() for s in (1, 2, 3, 4, 5)]
    np.testing.assert_allclose(shares, [0.1, 0.2, 0.35, 0.25, 0.1], atol=1e-3)
    p, o = table.propensities, table.observed
    assert abs(np.sum(o - p) / np.sqrt(np.sum(p * (1 - p)))) < 4
    assert table.pairs.shape == (40000, 4)
    np.testing.assert_array_equal(table.pairs[205, 2:], table.item_features[5])


def test_opinions_flip_as_many_ratings_as_there_are_fives():
    r = np.random.default_rng(5).integers(1, 6, (30, 40)).astype(float)
    made = opinions(r, np.random.default_rng(0))
    for name, stars in (("one", 1), ("three", 3), ("four", 4)):
        changed = made[name] != r
        assert changed.sum() == min((r == 5).sum(), (r == stars).sum())
        assert (r[changed] == stars).all()
        assert (made[name][changed] == 5).all()


@pytest.fixture(scope="module")
def table():
    return simulate_ratings(40, 50, rng=np.random.default_rng(6), density=0.4, noise=0.2)


@pytest.mark.parametrize(
    "estimator",
    [pytest.param(e, marks=pytest.mark.slow) if e.startswith("dr") else e for e in ESTIMATORS],
)
def test_every_estimator_learns_and_is_seeded(table, estimator, tmp_path):
    from mercer.learn import load

    users, items = np.nonzero(table.observed)
    options = {"propensity": None if estimator == "naive" else table.propensities}
    fits = [
        DebiasedFactorisation(estimator, rank=2, epochs=10, random_state=0).fit(
            users, items, table.ratings[users, items], **options
        )
        for _ in range(2)
    ]
    grid = np.indices(table.ratings.shape)
    one, two = (model.predict(*grid) for model in fits)
    np.testing.assert_array_equal(one, two)
    free = ~table.observed
    constant = table.ratings[table.observed].mean()
    baseline = np.mean((table.ratings[free] - constant) ** 2)
    assert np.mean((one - table.ratings)[free] ** 2) < 0.9 * baseline
    fits[0].save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(*grid), one)


def test_equal_propensities_make_the_self_normalised_estimate_naive(table):
    users, items = np.nonzero(table.observed)
    r = table.ratings[users, items]
    flat = np.full(table.ratings.shape, 0.4)
    found = [
        DebiasedFactorisation(name, rank=2, rounds=1, epochs=3, random_state=0)
        .fit(
            users,
            items,
            r,
            propensity=flat,
            user_features=np.zeros((40, 1)),
            item_features=np.zeros((50, 1)),
        )
        .predict(users, items)
        for name in ("naive", "snips")
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


def test_adaptive_balance_alternates_with_the_prediction(table):
    users, items = np.nonzero(table.observed)
    finder = BalancedPropensity(RBF(2.0), "adaptive", 5, random_state=0)
    for estimator in ("ips", "dr-jl"):
        fitted = [
            DebiasedFactorisation(estimator, rank=2, rounds=k, epochs=2, random_state=0).fit(
                users, items, table.ratings[users, items], propensity=finder
            )
            for k in (1, 2)
        ]
        first, second = (model.weights_ for model in fitted)
        np.testing.assert_allclose(float(second.sum()), 2000, rtol=1e-3)
        assert float((first - second).abs().max()) > 1e-3
    assert not hasattr(finder, "weights_")


@pytest.mark.slow
def test_logistic_loss_gives_chances(table):
    users, items = np.nonzero(table.observed)
    liked = (table.ratings >= 4).astype(float)
    model = DebiasedFactorisation("dr-jl", rank=2, loss="logistic", random_state=0)
    model.fit(users, items, liked[users, items], propensity=table.propensities)
    p = model.predict(*np.indices(liked.shape))
    assert 0 < p.min() < p.max() < 1
    free = ~table.observed
    assert p[free & (liked == 1)].mean() > p[free & (liked == 0)].mean() + 0.1


def test_bad_ratings_are_refused(table):
    users, items = np.nonzero(table.observed)
    r = table.ratings[users, items]
    with pytest.raises(ValueError, match="estimator must be one of"):
        DebiasedFactorisation("mips").fit(users, items, r)
    with pytest.raises(ValueError, match="one length"):
        DebiasedFactorisation().fit(users, items[:-1], r)
    with pytest.raises(ValueError, match="ratings has NaN"):
        DebiasedFactorisation().fit(users, items, np.full(len(r), np.nan))
    with pytest.raises(ValueError, match="given together"):
        DebiasedFactorisation().fit(users, items, r, user_features=table.user_features)
    with pytest.raises(ValueError, match="must cover 40 users"):
        DebiasedFactorisation("ips").fit(users, items, r, propensity=np.ones((5, 50)))
    with pytest.raises(ValueError, match="error must be given"):
        BalancedPropensity(functions="adaptive").fit(table.pairs, table.observed.ravel())
