"""Formulae of model collapse against simulation, SciPy and one another."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from sklearn.kernel_ridge import KernelRidge

from mercer.kernels import RBF
from mercer.learn.distillation import (
    Regression,
    adaptive_regularisation,
    critical_exponent,
    deterministic_equivalent,
    least_squares_collapse,
    model_collapse,
    power_law,
    scaling_law,
    simulate_generations,
    simulate_kernel_generations,
)


def spectrum(d, seed=0):
    g = torch.Generator().manual_seed(seed)
    s = torch.arange(1, d + 1, dtype=torch.float64) ** -1.0
    return s, torch.rand(d, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("T", [20, 79, 81, 400])
@pytest.mark.parametrize("lam", [1e-4, 0.3, 50.0])
def test_effective_ridge_is_the_root(T, lam):
    s, _ = spectrum(80)
    numbers = s.numpy()
    root = brentq(
        lambda k: k - lam - k * np.sum(numbers / (numbers + k)) / T,
        lam,
        lam + numbers.sum() / T,
        xtol=1e-15,
        rtol=1e-14,
    )
    found = deterministic_equivalent(s, Regression(T, regularisation=lam))
    assert found.kappa == pytest.approx(root, rel=1e-11)
    assert found.df1 == pytest.approx(np.sum(numbers / (numbers + root)), rel=1e-10)
    assert found.df2 == pytest.approx(np.sum((numbers / (numbers + root)) ** 2), rel=1e-10)


def test_without_ridge_samples_are_the_degrees_of_freedom():
    s, _ = spectrum(80)
    found = deterministic_equivalent(s, Regression(30))
    assert found.df1 == pytest.approx(30, rel=1e-10)
    assert deterministic_equivalent(s, Regression(200)) == (0.0, 80.0, 80.0)


def within(simulated, formula, sigmas=4.0, bias=0.0):
    """Whether means lie within standard errors, and a share for what is asymptotic, of a formula.

    The loosest band must still be narrow, else the check says nothing.
    """
    formula = torch.tensor(formula, dtype=torch.float64)
    band = sigmas * simulated.standard_error + bias * formula
    assert bool((band < 0.35 * formula + 1e-12).all())
    return bool(((simulated.mean - formula).abs() <= band + 1e-12).all())


@pytest.mark.parametrize("same_points", [False, True])
@pytest.mark.parametrize(
    ("fake", "downstream"),
    [
        (Regression(40, noise=1.0), Regression(60, noise=0.5)),  # more samples than features
        (Regression(12, noise=0.3), Regression(60, noise=0.5)),  # fewer in the generations
        (Regression(40, noise=0.5), Regression(14, noise=0.5)),  # fewer in the last
    ],
)
def test_exact_least_squares(fake, downstream, same_points):
    d, one = 20, torch.ones(20, dtype=torch.float64) / 4
    simulated = simulate_generations(
        torch.ones(d, dtype=torch.float64),
        one,
        generations=3,
        fake=fake,
        downstream=downstream,
        same_points=same_points,
        repetitions=200,
        generator=torch.Generator().manual_seed(1),
    )
    options = {"fake": fake, "downstream": downstream, "same_points": same_points}
    exact = [least_squares_collapse(d, 5.0, generations=n, **options).total for n in range(4)]
    assert within(simulated, exact)


def test_exact_least_squares_whatever_the_covariance():
    s, c2 = spectrum(20)
    fits = {"fake": Regression(40, noise=1.0), "downstream": Regression(60, noise=0.5)}
    simulated = simulate_generations(
        s, c2, generations=3, repetitions=200, generator=torch.Generator().manual_seed(2), **fits
    )
    exact = [least_squares_collapse(20, 0.0, generations=n, **fits).total for n in range(4)]
    assert within(simulated, exact)


@pytest.mark.parametrize("regularisation", [0.01, 0.3])
@pytest.mark.parametrize("T0", [240, 60])
@pytest.mark.parametrize("ridge0", [0.0, 0.02])
def test_deterministic_equivalents(T0, ridge0, regularisation):
    """All regimes: more and fewer samples than features, generations with and without ridge."""
    s, c2 = spectrum(120)
    fits = {
        "fake": Regression(T0, noise=0.4, regularisation=ridge0),
        "downstream": Regression(90, noise=0.4, regularisation=regularisation),
    }
    simulated = simulate_generations(
        s, c2, generations=3, repetitions=40, generator=torch.Generator().manual_seed(3), **fits
    )
    theory = [model_collapse(s, c2, generations=n, **fits).total for n in range(4)]
    assert within(simulated, theory, bias=0.02)


@pytest.mark.parametrize("T0", [240, 60])
def test_deterministic_equivalents_on_the_same_points(T0):
    s, c2 = spectrum(120)
    fits = {
        "fake": Regression(T0, noise=0.2),
        "downstream": Regression(90, noise=0.4, regularisation=0.1),
    }
    simulated = simulate_generations(
        s,
        c2,
        generations=3,
        same_points=True,
        repetitions=40,
        generator=torch.Generator().manual_seed(4),
        **fits,
    )
    theory = [model_collapse(s, c2, generations=n, same_points=True, **fits) for n in range(4)]
    assert within(simulated, [parts.total for parts in theory], bias=0.02)


def test_published_formula_for_ridge_on_fake_labels():
    """Bias, variance and n sigma_0^2 rho, written out."""
    s, c2 = spectrum(100)
    T, T0, n, lam, sigma, sigma0 = 70, 150, 5, 0.05, 0.7, 0.3
    k = brentq(lambda k: k - lam - k * float((s / (s + k)).sum()) / T, lam, 10.0, xtol=1e-15)
    df2 = float((s / (s + k)).square().sum())
    trace = float((s + k).pow(-2).sum())
    parts = model_collapse(
        s,
        c2,
        generations=n,
        fake=Regression(T0, noise=sigma0),
        downstream=Regression(T, noise=sigma, regularisation=lam),
    )
    assert parts.bias == pytest.approx(
        k**2 * float((c2 * s / (s + k).square()).sum()) / (1 - df2 / T), rel=1e-9
    )
    assert parts.variance == pytest.approx(sigma**2 * df2 / (T - df2), rel=1e-9)
    rho = (df2 + k**2 * trace * df2 / (T - df2)) / (T0 - 100)
    assert parts.fake_variance == pytest.approx(n * sigma0**2 * rho, rel=1e-9)
    assert parts.fake_bias == pytest.approx(0.0, abs=1e-12)


def test_large_least_squares_agree_with_the_exact_formula():
    d = 4000
    one = torch.ones(d, dtype=torch.float64)
    for fake in (Regression(9000, noise=1.0), Regression(1000, noise=1.0)):
        fits = {"fake": fake, "downstream": Regression(8000, noise=1.0)}
        for same in (False, True):
            options = {"generations": 3, "same_points": same, **fits}
            exact = least_squares_collapse(d, float(d), **options)
            np.testing.assert_allclose(
                model_collapse(one, one, **options), exact, rtol=2e-3, atol=1e-8
            )


def test_without_noise_few_samples_collapse_exponentially():
    d, T0 = 100, 40
    fits = {"fake": Regression(T0), "downstream": Regression(300)}
    one = torch.ones(d, dtype=torch.float64)
    for n in range(6):
        assert least_squares_collapse(d, 2.0, generations=n, **fits).total == pytest.approx(
            2 * (1 - 0.4**n)
        )
        parts = model_collapse(one, one * 2 / d, generations=n, **fits)
        assert parts.total == pytest.approx(2 * (1 - 0.4**n), abs=1e-9)


def slope(capacity, source, generations, exponent, sizes, ratio):
    """Exponent of the error in the sample size by the deterministic equivalents."""
    errors = []
    for T in sizes:
        d = T // 2
        T0 = round(ratio(T))
        parts = model_collapse(
            *power_law(capacity, source, d),
            generations=generations(T),
            fake=Regression(max(T0, d + 2), noise=1.0),
            downstream=Regression(T, noise=1.0, regularisation=exponent(T)),
        )
        errors.append(parts.total)
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


@pytest.mark.parametrize(("capacity", "source"), [(1.5, 0.3), (2.0, 0.5), (3.0, 1.5)])
def test_rates_of_the_adaptive_ridge(capacity, source):
    r = min(source, 1.0)
    c = 2 * capacity * r / (2 * capacity * r + 1)
    sizes = [10_000 * 4**k for k in range(3)]

    def adaptive(generations):
        return lambda T: adaptive_regularisation(
            T, capacity=capacity, source=source, generations=generations(T), fake_samples=T
        )

    clean = slope(capacity, source, lambda T: 0, adaptive(lambda T: 0), sizes, lambda T: T)
    assert clean == pytest.approx(-c, abs=0.06)
    root = lambda T: round(T**0.5)  # noqa: E731
    fake = slope(capacity, source, root, adaptive(root), sizes, lambda T: T)
    assert fake == pytest.approx(-c / 2, abs=0.06)
    assert fake > clean + 0.1


def test_scaling_law_has_the_exponents_of_the_formulae():
    capacity, source, ell = 2.0, 0.5, 0.8
    sizes = [20_000, 80_000]
    found, law = [], []
    for T in sizes:
        fits = {"fake": Regression(T, noise=1.0), "generations": 4}
        s, c2 = power_law(capacity, source, T // 4)
        last = Regression(T, noise=1.0, regularisation=T**-ell)
        found.append(model_collapse(s, c2, downstream=last, **fits))
        law.append(scaling_law(capacity, source, ell, dimension=T // 4, downstream=last, **fits))
    for part in ("bias", "variance", "fake_variance"):
        ours, theirs = (
            math.log(getattr(p[1], part) / getattr(p[0], part)) / math.log(4) for p in (found, law)
        )
        assert ours == pytest.approx(theirs, abs=0.03)


def test_adaptive_ridge():
    assert critical_exponent(2.0, 3.0) == critical_exponent(2.0, 1.0) == 2 / 5
    options = {"capacity": 2.0, "source": 0.5}
    few = adaptive_regularisation(100, generations=5, fake_samples=500, **options)
    assert few == pytest.approx(100 ** (-2 / 3))  # b - a = 1: as on clean labels
    assert few == adaptive_regularisation(100, generations=0, fake_samples=1, **options)
    # (n / T0)^l_crit, and no more than the scale
    many = adaptive_regularisation(100, generations=50, fake_samples=400, scale=3.0, **options)
    assert many == pytest.approx(3 * (1 / 8) ** (2 / 3))
    assert adaptive_regularisation(100, generations=900, fake_samples=9, **options) == 1.0


def test_kernel_generations_are_refits():
    """One generation and the regression after it, refitted by scikit-learn on the same draws."""
    rng = torch.Generator().manual_seed(0)
    X = torch.rand(60, 2, generator=rng, dtype=torch.float64)
    y = (6 * X[:, 0]).sin()
    fake = Regression(30, noise=0.2, regularisation=1e-2)
    last = Regression(40, noise=0.1, regularisation=2e-2)
    found = simulate_kernel_generations(
        RBF(0.5),
        X,
        y,
        X_test=X,
        y_test=y,
        generations=1,
        fake=fake,
        downstream=last,
        generator=torch.Generator().manual_seed(7),
    )
    again = torch.Generator().manual_seed(7)

    def fit(labels, regression):
        rows = torch.randperm(60, generator=again)[: regression.samples]
        noise = torch.randn(regression.samples, dtype=torch.float64, generator=again)
        ridge = KernelRidge(
            kernel="rbf", gamma=2.0, alpha=regression.samples * regression.regularisation
        )
        return ridge.fit(X[rows], labels[rows] + regression.noise * noise.numpy()).predict(X)

    truth = y.numpy()
    clean = fit(truth, last)
    made = fit(truth, fake)
    want = [np.mean((f - truth) ** 2) for f in (clean, fit(made, last))]
    np.testing.assert_allclose(found, want, rtol=1e-8)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda one, r: Regression(0), "samples must be at least 1"),
        (lambda one, r: Regression(5, noise=-1.0), "noise must be between"),
        (
            lambda one, r: model_collapse(one, one, generations=-1, fake=r, downstream=r),
            "generations must be at least 0",
        ),
        (
            lambda one, r: model_collapse(one, one[:2], generations=1, fake=r, downstream=r),
            "target must be of one length",
        ),
        (
            lambda one, r: model_collapse(-one, one, generations=1, fake=r, downstream=r),
            "eigenvalues must not be negative",
        ),
        (
            lambda one, r: model_collapse(
                one, one, generations=1, fake=Regression(9), downstream=r
            ),
            "samples must differ from the 9 features",
        ),
        (
            lambda one, r: model_collapse(
                one,
                one,
                generations=1,
                fake=Regression(9, regularisation=1.0),
                downstream=r,
                same_points=True,
            ),
            "regularisation of fake must be 0",
        ),
        (
            lambda one, r: least_squares_collapse(
                9, 1.0, generations=1, fake=Regression(10), downstream=r
            ),
            "samples of fake must be below 8 or above 10",
        ),
        (lambda one, r: power_law(1.0, 0.5, 10), "capacity must be above 1"),
        (
            lambda one, r: scaling_law(
                2.0, 0.5, 0.5, generations=1, dimension=50, fake=r, downstream=r
            ),
            "samples of fake must be above the dimension 50",
        ),
        (
            lambda one, r: adaptive_regularisation(
                1, capacity=2.0, source=0.5, generations=1, fake_samples=9
            ),
            "samples must be at least 2",
        ),
    ],
)
def test_bad_input(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(torch.ones(9), Regression(40))
