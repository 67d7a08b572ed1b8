"""Predicted errors against brute force on the circle and against random matrices."""

import math

import numpy as np
import pytest
import torch

from mercer.learn.spectral import (
    CutOff,
    GradientFlow,
    IteratedTikhonov,
    Ridge,
    circle,
    noisy_components,
    simulate_circle,
    simulate_wishart,
    wishart,
)
from mercer.learn.spectral.circle import fold
from mercer.learn.spectral.wishart import companion

PROFILES = (Ridge(0.02), GradientFlow(40.0), CutOff(0.03), IteratedTikhonov(0.1, 3))


def power_law(exponent, count):
    return (torch.arange(count, dtype=torch.float64) + 1) ** -exponent


def test_fold_by_hand():
    found = fold(torch.tensor([1.0, 2.0, 4.0, 8.0]), 3)
    # Classes modulo 3 of 0, 1, -1, 2, -2, 3, -3.
    torch.testing.assert_close(found, torch.tensor([1.0 + 8 + 8, 2.0 + 4, 2.0 + 4]))


@pytest.mark.parametrize("noise", [0.0, 0.7])
@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: type(p).__name__)
def test_circle_is_the_mean_over_offsets_and_noise(noise, profile):
    """Noise by its covariance, offsets by an average over a grid fine enough to be exact."""
    n, m = 7, 16
    lam, c2 = power_law(1.5, m).numpy(), power_law(2.5, m).numpy()
    l = np.arange(-m + 1, m)
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, m) * (np.arange(m) > 0)
    c = np.sqrt(c2[abs(l)]) * np.exp(1j * np.sign(l) * phase[abs(l)])
    total, offsets = 0.0, 64
    for k in range(offsets):
        x = 2 * np.pi * (np.arange(n) / n + k / (offsets * n))
        wave = np.exp(1j * np.outer(x, l))
        K = (wave * lam[abs(l)] @ wave.conj().T).real
        w, V = np.linalg.eigh(K / n)
        h = profile(torch.from_numpy(w)).numpy()
        coefficients = lam[abs(l)][:, None] * wave.conj().T @ (V * h / w) @ V.T / n  # [2m-1, n]
        bias = coefficients @ (wave @ c).real - c
        total += (abs(bias) ** 2).sum() + noise**2 * (abs(coefficients) ** 2).sum()
    error = circle(torch.from_numpy(lam), torch.from_numpy(c2), samples=n, noise=noise)
    assert error(profile) == pytest.approx(total / offsets, rel=1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_wishart_agrees_with_random_matrices(noise):
    n, p, repeats = 60, 200, 150
    lam, c2 = power_law(1.5, p), power_law(2.0, p)
    error = wishart(lam, c2, samples=n, noise=noise, nodes=500)
    rng = np.random.default_rng(0)
    found = np.zeros((repeats, len(PROFILES)))
    for r in range(repeats):
        Z = rng.standard_normal((n, p))
        w, V = np.linalg.eigh(Z * lam.numpy() @ Z.T / n)
        c = np.sqrt(c2.numpy()) * rng.choice([-1, 1], p)
        y = Z @ c + noise * rng.standard_normal(n)
        for k, profile in enumerate(PROFILES):
            h = profile(torch.from_numpy(w)).numpy()
            a = V @ (h / w * (V.T @ y)) / n
            found[r, k] = ((lam.numpy() * (Z.T @ a) - c) ** 2).sum()
    predicted = np.array([error(profile) for profile in PROFILES])
    deviation = abs(found.mean(0) - predicted)
    # Four standard errors, and the corrections of order 1 / n of the limit.
    assert (deviation < 4 * found.std(0) / math.sqrt(repeats) + predicted / n).all()


def test_wishart_has_the_closed_form_of_ridge():
    n, p, eta, noise = 50, 200, 0.03, 0.4
    lam, c2 = power_law(1.5, p), power_law(2.0, p)
    k = eta  # the effective regularisation
    for _ in range(500):
        k = eta + k / n * float((lam / (lam + k)).sum())
    gain = 1 - float((lam / (lam + k)).square().sum()) / n
    want = float(((k / (lam + k)).square() * c2).sum()) / gain + noise**2 * (1 / gain - 1)
    found = wishart(lam, c2, samples=n, noise=noise, nodes=700)(Ridge(eta))
    assert found == pytest.approx(want, rel=1e-3)


def test_wishart_interpolates_as_ridgeless_regression():
    n, p = 50, 150
    lam, c2 = power_law(1.0, p), power_law(2.0, p)
    k = 1.0
    for _ in range(3000):
        k = k * float((lam / (lam + k)).sum()) / n
    gain = 1 - float((lam / (lam + k)).square().sum()) / n
    want = float(((k / (lam + k)).square() * c2).sum()) / gain
    found = wishart(lam, c2, samples=n, noise=0.0, nodes=200)(GradientFlow(1e9))
    assert found == pytest.approx(want, rel=1e-6)


def test_companion_is_the_law_of_marchenko_and_pastur():
    """For equal eigenvalues the density of K / N is known in closed form."""
    n, p = 40, 120
    ratio = n / p
    scale = p / n  # K / N = (p / n) times a Wishart matrix over p
    low, high = (scale * (1 + s * math.sqrt(ratio)) ** 2 for s in (-1, 1))
    a = torch.linspace(low * 1.05, high * 0.95, 20, dtype=torch.float64)
    x = a / scale
    want = ((high / scale - x) * (x - low / scale)).sqrt() / (2 * math.pi * ratio * x) / scale
    found = companion(a, torch.ones(p, dtype=torch.float64), n).imag / math.pi
    torch.testing.assert_close(found, want, rtol=1e-6, atol=0)


@pytest.mark.parametrize("model", [circle, noisy_components, wishart])
def test_optimal_profile_has_no_better_neighbour(model):
    lam, c2 = power_law(1.5, 90), power_law(2.5, 90)
    options = {"nodes": 150} if model is wishart else {}
    error = model(lam, c2, samples=30, noise=0.5, **options)
    best = error.optimal()
    generator = torch.Generator().manual_seed(0)
    live = (error.eigenvalues > 0).double()
    for _ in range(20):
        step = torch.randn(len(best), generator=generator, dtype=torch.float64) * live
        left, right = (error(best + s * 1e-2 * step) for s in (-1, 1))
        assert error(best) <= min(left, right)
        # Stationary: the functional is quadratic, so that the two sides are equal.
        assert left == pytest.approx(right, rel=1e-6)
    assert all(error(best) <= error(profile) * (1 + 1e-9) for profile in PROFILES)


def test_contributions_sum_to_the_error():
    lam = power_law(1.5, 90)
    error = circle(lam, lam, samples=30, noise=0.5)
    assert float(error.contributions(PROFILES[0]).sum()) == pytest.approx(error(PROFILES[0]))


def test_ridge_saturates_and_gradient_flow_does_not():
    """Exponents of the least errors between two sample sizes; kappa = 5 above 2 nu = 3."""
    nu, kappa, sizes = 1.5, 5.0, (2**11, 2**14)

    def least(family, n):
        error = circle(power_law(nu, 2 * n), power_law(kappa + 1, 2 * n), samples=n, noise=1.0)
        return error.best(family, [n**-e for e in np.linspace(0.1, 1.2, 60)]).error

    def exponent(family):
        return -math.log(least(family, sizes[1]) / least(family, sizes[0])) / math.log(8)

    assert exponent(Ridge) == pytest.approx(2 * nu / (2 * nu + 1), abs=0.04)
    assert exponent(lambda s: GradientFlow(1 / s)) == pytest.approx(kappa / (kappa + 1), abs=0.05)


@pytest.mark.parametrize(("kappa", "above"), [(0.7, False), (2.3, True)])
def test_overlearning_without_noise_begins_at_nu_minus_one(kappa, above):
    n, nu = 301, 2.5
    lam, c2 = power_law(nu, 40 * n), power_law(kappa + 1, 40 * n)
    h = circle(lam, c2, samples=n, noise=0.0).optimal()
    assert bool((h[5:60] > 1).all()) is above


@pytest.mark.parametrize(
    ("model", "simulate"), [(circle, simulate_circle), (wishart, simulate_wishart)]
)
def test_simulations_agree_with_predictions(model, simulate):
    lam, c2 = power_law(1.5, 90), power_law(2.5, 90)
    generator = torch.Generator().manual_seed(0)
    given = {"samples": 30, "noise": 0.3}
    found = [simulate(lam, c2, **given, generator=generator)(Ridge(0.03)) for _ in range(100)]
    options = {"nodes": 400} if model is wishart else {}
    error = model(lam, c2, **given, **options)(Ridge(0.03))
    assert abs(np.mean(found) - error) < 4 * np.std(found) / 10 + error / 30


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda one: circle(one, one, samples=99, noise=0.0), "samples must be at most 9"),
        (lambda one: circle(one, one, samples=3, noise=-1.0), "noise must be at least 0, got -1"),
        (lambda one: circle(one, one[1:], samples=3, noise=0.0), "target must be a vector"),
        (lambda one: circle(one, -one, samples=3, noise=0.0), "target must be a vector of numbers"),
        (lambda one: wishart(one, one, samples=5, noise=0.0), "more than samples, got 5 positive"),
        (lambda one: wishart(one, one, samples=2, noise=0.0, nodes=9), "nodes must be at least"),
        (lambda one: noisy_components(one, one, samples=0, noise=0.0), "samples must be at least"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(5))
