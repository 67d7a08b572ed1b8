"""Self-distillation against explicit retraining, brute force and the published example."""

import math

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge

from mercer.kernels import RBF
from mercer.learn.distillation import (
    Distilled,
    SelfDistilledRegressor,
    distil,
    optimal_weight,
)
from mercer.learn.distillation import chain as chain_module
from mercer.learn.distillation.weights import leave_one_out_weights
from mercer.learn.spectral import Ridge, spectral_filter
from mercer.testing import check_estimator

LENGTH = 0.8
GAMMA = 1 / (2 * LENGTH**2)
LAMBDA = 0.3
ALPHAS = (0.2, 0.0, 1.0, 0.6)


def table(n=40, seed=0, outputs=None):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.3 * rng.standard_normal(n)
    return X, y if outputs is None else np.stack([y, X[:, 0] ** 2], axis=1)


def retrained(X, y, new, alphas, weight=None, regularisation=LAMBDA):
    """Predictions at ``new`` of the first fit and of each refit, by scikit-learn."""
    model = KernelRidge(kernel="rbf", gamma=GAMMA, alpha=regularisation)
    out = [model.fit(X, y, sample_weight=weight).predict(new)]
    for alpha in alphas:
        targets = alpha * y + (1 - alpha) * model.predict(X)
        out.append(model.fit(X, targets, sample_weight=weight).predict(new))
    return out


@pytest.mark.parametrize("method", ["solve", "eigh", "lanczos"])
@pytest.mark.parametrize("outputs", [None, 2])
def test_chain_is_explicit_retraining(method, outputs):
    X, y = table(outputs=outputs)
    new = table(7, seed=1)[0]
    kernel, points = RBF(LENGTH), torch.from_numpy(X)
    profile = Distilled(LAMBDA / len(X), ALPHAS)
    found = distil(kernel(points), torch.from_numpy(y), profile, method=method)
    predicted = kernel(torch.from_numpy(new), points) @ found.coefficients
    want = retrained(X, y, new, ALPHAS)[-1]
    np.testing.assert_allclose(predicted, want, rtol=1e-8, atol=1e-9)


def test_profile_is_what_is_learnt_of_each_component():
    X, y = table()
    K = RBF(LENGTH)(torch.from_numpy(X)).dense().numpy()
    values, Q = np.linalg.eigh(K / len(X))
    fitted = retrained(X, y, X, ALPHAS)[-1]
    h = Distilled(LAMBDA / len(X), ALPHAS)(torch.from_numpy(values.clip(0))).numpy()
    np.testing.assert_allclose(Q.T @ fitted, h * (Q.T @ y), atol=1e-10)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
def test_limit_is_ridge_with_amplified_regularisation(alpha):
    values = torch.logspace(-6, 1, 40, dtype=torch.float64)
    many = Distilled(0.2, (alpha,) * 400)
    torch.testing.assert_close(many(values), Ridge(0.2 / alpha)(values), rtol=1e-10, atol=0)


def test_without_ground_truth_all_is_forgotten_small_eigenvalues_first():
    values = torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64)
    h = torch.stack([Distilled(1.0, (0.0,) * t)(values) for t in range(6)])
    np.testing.assert_allclose(h, (values / (values + 1)) ** torch.arange(1, 7)[:, None])
    ratio = h / h[:, -1:]
    assert bool((ratio[1:, :-1] < ratio[:-1, :-1]).all())


def test_published_example():
    """The losses that the authors print for the eleven points of Mobahi et al."""
    # https://github.com/Kennethborup/self_distillation
    labels = """
        0.38476636465198066 1.2333967683416893 1.33232242218057 0.6920159488889518
        -0.29756145531871736 -0.24189291901377769 -0.7964485769175675 -0.9616480167034174
        -0.49672509509916934 -0.3469066003991437 0.5589512650600734
    """
    y = torch.tensor([float(label) for label in labels.split()], dtype=torch.float64)
    X = torch.linspace(0, 1, 11, dtype=torch.float64)[:, None]
    new = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None]
    kernel = RBF(lengthscale=1 / math.sqrt(160))
    losses = {
        0.0: [0.16477, 0.15076, 0.14915, 0.15561, 0.16735, 0.18251],
        0.35: [0.16477, 0.15424, 0.15089, 0.14983, 0.14954, 0.14948],
    }

    def loss(profile):
        f = kernel(new, X) @ distil(kernel(X), y, profile).coefficients
        return float((f - torch.sin(2 * math.pi * new[:, 0])).square().mean())

    for alpha, published in losses.items():
        found = [loss(Distilled(0.2 / 11, (alpha,) * t)) for t in range(6)]
        np.testing.assert_allclose(found, published, atol=5.1e-6)
    assert loss(Distilled(0.2 / 11 / 0.35, ())) == pytest.approx(0.14959, abs=5.1e-6)


def test_many_rows_take_one_preconditioner(monkeypatch):
    X, y = table(150)
    K, y = RBF(LENGTH)(torch.from_numpy(X)), torch.from_numpy(y)
    profile = Distilled(LAMBDA / 150, (0.3, 0.7))
    dense = distil(K, y, profile)
    monkeypatch.setattr(chain_module, "SMALL", 100)
    iterative = distil(K, y, profile, tol=1e-12)
    torch.testing.assert_close(iterative.coefficients, dense.coefficients, rtol=1e-7, atol=1e-8)
    assert "one Cholesky factor" in dense.explain
    assert "one preconditioner" in iterative.explain


def test_optimal_weight_is_that_of_a_search():
    rng = torch.Generator().manual_seed(0)
    for shift in (0.0, 1.0, -3.0):
        first, imitation, y = torch.randn(3, 20, 2, generator=rng, dtype=torch.float64)
        y = y + shift * (first - imitation)
        weight = torch.rand(20, generator=rng, dtype=torch.float64)
        grid = torch.linspace(0, 1, 100_001, dtype=torch.float64)
        apart = first - imitation
        # sum_i w_i |q + alpha (p - q) - y|^2 as a polynomial of alpha
        w = weight[:, None]
        loss = (
            (w * (imitation - y).square()).sum()
            + 2 * grid * (w * (imitation - y) * apart).sum()
            + grid.square() * (w * apart.square()).sum()
        )
        best = float(grid[loss.argmin()])
        assert optimal_weight(first, imitation, y, weight) == pytest.approx(best, abs=1.1e-5)
    assert optimal_weight(first, first, y) == 1.0


@pytest.mark.parametrize("weighted", [False, True])
def test_leave_one_out_leaves_a_row_out_of_all_fits(weighted):
    n, steps = 12, 3
    X, y = table(n)
    w = np.random.default_rng(5).uniform(0.5, 2, n) if weighted else np.ones(n)
    K = RBF(LENGTH)(torch.from_numpy(X)).dense().numpy()
    root = torch.from_numpy(np.sqrt(w))[:, None]
    Y = root * torch.from_numpy(y)[:, None]
    chosen = leave_one_out_weights(root * torch.from_numpy(K) * root.mT, Y, LAMBDA, steps)

    def errors(alphas):
        squares = np.zeros(len(alphas) + 1)
        for i in range(n):
            rest = np.arange(n) != i
            fit = K[:, rest] @ np.linalg.inv(K[np.ix_(rest, rest)] + np.diag(LAMBDA / w[rest]))
            f = fit @ y[rest]
            squares[0] += w[i] * (y[i] - f[i]) ** 2
            for t, alpha in enumerate(alphas):
                f = fit @ (alpha * y + (1 - alpha) * f)[rest]
                squares[t + 1] += w[i] * (y[i] - f[i]) ** 2
        return squares / n

    np.testing.assert_allclose(chosen.errors, errors(chosen.weights), rtol=1e-9)
    for t in range(steps):  # each weight is the best, given those before it
        grid = np.linspace(0, 1, 11)
        tried = [errors([*chosen.weights[:t], alpha])[-1] for alpha in grid]
        assert chosen.errors[t + 1] <= min(tried) * (1 + 1e-9)
        assert abs(grid[int(np.argmin(tried))] - chosen.weights[t]) <= 0.05 + 1e-9


@pytest.mark.parametrize("weighted", [False, True])
def test_regressor_is_retraining_on_centred_targets(weighted):
    X, y = table()
    new = table(7, seed=1)[0]
    w = np.random.default_rng(5).uniform(0.5, 2, 40) if weighted else np.ones(40)
    mean = np.average(y, weights=w)
    model = SelfDistilledRegressor(RBF(LENGTH), 4, ALPHAS, regularisation=LAMBDA)
    want = retrained(X, y - mean, new, ALPHAS, weight=w)[-1] + mean
    found = model.fit(X, y, sample_weight=w).predict(new)
    np.testing.assert_allclose(found, want, rtol=1e-8, atol=1e-9)
    endless = SelfDistilledRegressor(RBF(LENGTH), math.inf, 0.25, regularisation=LAMBDA)
    limit = retrained(X, y - mean, new, (), weight=w, regularisation=4 * LAMBDA)[0] + mean
    np.testing.assert_allclose(endless.fit(X, y, w).predict(new), limit, rtol=1e-8, atol=1e-9)


def test_weights_by_validation_rows_are_the_best_there():
    X, y = table(60)
    V, v = table(50, seed=2)
    small = 1e-3
    model = SelfDistilledRegressor(RBF(LENGTH), 2, regularisation=small)
    model.fit(X, y, validation=(V, v))
    assert "50 validation rows" in model.explain_
    mean = y.mean()

    def error(alphas):
        f = retrained(X, y - mean, V, alphas, regularisation=small)[-1] + mean
        return np.mean((f - v) ** 2)

    first = [error([alpha]) for alpha in np.linspace(0, 1, 21)]
    assert model.errors_[0] == pytest.approx(error([]), rel=1e-6)
    assert model.errors_[1] == pytest.approx(error(model.weights_[:1]), rel=1e-6)
    assert model.errors_[1] <= min(first) * (1 + 1e-9)
    second = [error([model.weights_[0], alpha]) for alpha in np.linspace(0, 1, 21)]
    assert model.errors_[2] <= min(second) * (1 + 1e-9)


def test_many_rows_hold_some_out():
    X, y = table(1200)
    model = SelfDistilledRegressor(RBF(LENGTH), 2, regularisation=1e-2, random_state=0).fit(X, y)
    assert "120 held-out rows" in model.explain_
    assert model.errors_[2] <= model.errors_[1] <= model.errors_[0]


def test_a_small_ridge_in_float32():
    X, _ = table(300)
    X = X.astype(np.float32)
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    model = SelfDistilledRegressor("rbf", 2, 0.5, lengthscale=1.0, regularisation=1e-7).fit(X, y)
    assert model.points_.dtype == model.coefficients_.dtype == torch.float32
    assert np.abs(model.predict(X) - y).max() < 0.02


def test_distillation_repairs_too_little_regularisation():
    X, y = table(120)
    new, _ = table(400, seed=3)
    clean = np.sin(2 * new[:, 0]) + new[:, 1]
    alone, distilled = (
        SelfDistilledRegressor(RBF(0.5), steps, regularisation=1e-2).fit(X, y).predict(new)
        for steps in (0, 5)
    )
    assert np.mean((distilled - clean) ** 2) < 0.8 * np.mean((alone - clean) ** 2)


def test_profile_fits_the_spectral_filter():
    X, y = table(30)
    K, y = RBF(LENGTH)(torch.from_numpy(X)), torch.from_numpy(y)
    profile = Distilled(0.01, (0.4,))
    one, two = distil(K, y, profile), spectral_filter(K, y, profile)
    torch.testing.assert_close(one.coefficients, two.coefficients, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": -1}, "steps must be at least 0"),
        ({"steps": 1.5}, "steps must be an integer"),
        ({"weights": "best"}, 'weights must be "optimal"'),
        ({"weights": 1.5}, "weights must be between 0 and 1"),
        ({"weights": [0.5, 0.5]}, "weights must be 1 numbers, one a step, got 2"),
        ({"steps": math.inf}, "weights must be a number for infinite steps"),
        ({"steps": math.inf, "weights": 0}, "weights must be above 0"),
        ({"regularisation": 0.0}, "regularisation must be positive"),
        ({"validation_fraction": 1.0}, "validation_fraction must be above 0"),
        ({"method": "magic"}, "method must be one of"),
        ({"lengthscale": "long"}, 'lengthscale must be a number or "auto"'),
        ({"lengthscale": -1.0}, "lengthscale must be positive"),
        ({"kernel": 3}, "kernel must be a name or a Kernel"),
    ],
)
def test_bad_input(options, sentence):
    X, y = table(20)
    with pytest.raises((ValueError, TypeError), match=sentence):
        SelfDistilledRegressor(**{"kernel": "rbf", **options}).fit(X, y)


def test_bad_validation():
    X, y = table(20)
    with pytest.raises(ValueError, match="validation needs"):
        SelfDistilledRegressor("rbf", weights=0.5).fit(X, y, validation=(X, y))
    with pytest.raises(ValueError, match="validation must have 1 outputs"):
        SelfDistilledRegressor("rbf").fit(X, y, validation=(X, np.stack([y, y], axis=1)))
    with pytest.raises(ValueError, match="first must have shape"):
        optimal_weight(torch.ones(2), torch.ones(3), torch.ones(3))


@pytest.mark.parametrize("options", [{}, {"steps": 3, "weights": 0.3}])
def test_contract(options):
    model = SelfDistilledRegressor(RBF(1.0), **options)
    check_estimator(model, scikit_learn=False)


def test_saved_limit(tmp_path):
    from mercer.learn import load

    X, y = table(20)
    model = SelfDistilledRegressor("rbf", math.inf, 0.5, lengthscale=1.0).fit(X, y)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(X), model.predict(X))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"steps": 3, "weights": 0.3}])
def test_contract_of_scikit_learn(options):
    check_estimator(SelfDistilledRegressor("rbf", **options))
