"""Profiles and the filter against matrix functions of SciPy and against running the algorithms."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from mercer.kernels import RBF
from mercer.learn.spectral import (
    CutOff,
    GradientDescent,
    GradientFlow,
    IteratedTikhonov,
    Ridge,
    SpectralProfile,
    spectral_filter,
)
from mercer.learn.spectral import filter as filtering
from mercer.operators import Dense, Diagonal

ALL = (
    Ridge(0.05),
    IteratedTikhonov(0.2, 3),
    GradientFlow(20.0),
    GradientDescent(0.5, 40),
    CutOff(0.02),
)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.uniform(-2, 2, (40, 2)))
    K = RBF(lengthscale=1.0)(X)
    y = torch.from_numpy(rng.standard_normal((40, 2)))
    return K, K.dense().numpy(), y


def expected(A, y, profile):
    """``(1/n) g(A) y`` with ``A = K / n`` by SciPy; gradient descent by running it."""
    n = len(A)
    match profile:
        case Ridge():
            return np.linalg.solve(A + profile.regularisation * np.eye(n), y) / n
        case GradientFlow():
            # g(A) = int_0^t exp(-s A) ds, the upper right block of the exponential of [[-A, I], 0].
            block = np.block([[-A, np.eye(n)], [np.zeros((n, 2 * n))]])
            return scipy.linalg.expm(profile.time * block)[:n, n:] @ y / n
        case IteratedTikhonov():
            a = np.zeros_like(y)
            for _ in range(profile.iterations):
                residual = y - n * A @ a
                a = a + np.linalg.solve(A + profile.regularisation * np.eye(n), residual) / n
            return a
        case GradientDescent():
            a = np.zeros_like(y)
            for _ in range(profile.iterations):
                a = a + profile.step / n * (y - n * A @ a)
            return a
        case CutOff():
            w, V = scipy.linalg.eigh(A)
            kept = w >= profile.threshold
            return (V[:, kept] / w[kept]) @ (V[:, kept].T @ y) / n


@pytest.mark.parametrize("profile", ALL, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("method", [None, "solve", "products", "eigh", "partial", "lanczos"])
def test_filter_is_the_function_of_the_matrix(problem, profile, method):
    K, dense, y = problem
    suited = {
        "solve": (Ridge, IteratedTikhonov),
        "products": GradientDescent,
        "partial": CutOff,
        "lanczos": (Ridge, IteratedTikhonov, GradientFlow, GradientDescent),
    }.get(method, SpectralProfile)
    if not isinstance(profile, suited):
        with pytest.raises(ValueError, match="does not suit"):
            spectral_filter(K, y, profile, method=method)
        return
    found = spectral_filter(K, y, profile, method=method)
    want = expected(dense / 40, y.numpy(), profile)
    np.testing.assert_allclose(found.coefficients.numpy(), want, rtol=1e-8, atol=1e-9)
    assert method is None or found.explain.startswith(f"{method}: named by the caller")
    vector = spectral_filter(K, y[:, 0], profile, method=method).coefficients
    np.testing.assert_allclose(vector.numpy(), want[:, 0], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("profile", ALL, ids=lambda p: type(p).__name__)
def test_large_systems_take_no_decomposition_of_the_whole(problem, profile, monkeypatch):
    monkeypatch.setattr(filtering, "SMALL", 10)
    K, dense, y = problem
    found = spectral_filter(K, y, profile, generator=torch.Generator().manual_seed(0))
    assert not found.explain.startswith("eigh")
    want = expected(dense / 40, y.numpy(), profile)
    np.testing.assert_allclose(found.coefficients.numpy(), want, rtol=1e-6, atol=1e-8)


def test_cut_off_looks_for_more_components_until_the_threshold():
    values = torch.arange(1, 161, dtype=torch.float64) ** -2
    y = torch.ones(160, dtype=torch.float64)
    for kept in (20, 100):  # of the first block, and of the next
        profile = CutOff(1 / (kept + 0.5) ** 2 / 160)
        found = spectral_filter(Dense(values.diag(), tags={"psd"}), y, profile, method="partial")
        want = torch.where(torch.arange(160) < kept, 1 / values, 0.0)
        torch.testing.assert_close(found.coefficients, want, rtol=1e-6, atol=1e-6)
        assert f"{kept} eigenpairs kept" in found.explain


@pytest.mark.parametrize("profile", ALL, ids=lambda p: type(p).__name__)
def test_profile_is_a_share_that_grows(profile):
    x = torch.linspace(0, 1.9, 200, dtype=torch.float64)
    h = profile(x)
    assert h[0] == 0
    assert bool((h >= 0).all())
    assert bool((h <= 1).all())
    assert bool((h.diff() >= 0).all())
    torch.testing.assert_close(profile.filter(x[1:]) * x[1:], h[1:])
    # At zero g is the slope of h there, by a one-sided difference.
    step = torch.tensor([1e-9], dtype=torch.float64)
    slope = profile(step) / step
    torch.testing.assert_close(profile.filter(0 * step), slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("profile", "qualification"), [(Ridge(1e-6), 1), (IteratedTikhonov(1e-6, 2), 2)]
)
def test_qualification_is_the_order_of_what_is_not_learnt(profile, qualification):
    x = torch.tensor([0.1, 0.2], dtype=torch.float64)
    left = 1 - profile(x)
    order = -math.log(float(left[1] / left[0])) / math.log(2)
    assert profile.qualification == qualification
    assert order == pytest.approx(qualification, abs=1e-3)


def test_qualification_of_the_others_has_no_end():
    assert all(p.qualification == math.inf for p in (GradientFlow(1.0), CutOff(0.1)))


def test_tiny_components_keep_their_precision():
    x = torch.tensor([1e-18], dtype=torch.float64)
    assert float(GradientFlow(3.0)(x)) == pytest.approx(3e-18, rel=1e-12)
    assert float(IteratedTikhonov(0.5, 4)(x)) == pytest.approx(8e-18, rel=1e-12)
    assert float(GradientDescent(0.5, 6)(x)) == pytest.approx(3e-18, rel=1e-12)


def test_a_profile_of_ones_own():
    class Half(SpectralProfile):
        def __call__(self, eigenvalues):
            return 0.5 * (eigenvalues > 0)

    K = torch.diag(torch.tensor([2.0, 4.0]))
    found = spectral_filter(K, torch.ones(2), Half())
    torch.testing.assert_close(K @ found.coefficients, torch.full((2,), 0.5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Ridge(0.0), "regularisation must be positive, got 0"),
        (lambda: GradientFlow(-1.0), "time must be positive, got -1"),
        (lambda: GradientDescent(0.1, 0), "iterations must be at least 1, got 0"),
        (lambda: IteratedTikhonov(0.1, 0), "iterations must be at least 1, got 0"),
        (lambda: CutOff(math.nan), "threshold must be positive, got nan"),
        (
            lambda: spectral_filter(torch.eye(2) * 8, torch.ones(2), GradientDescent(1.0, 2)),
            "step must be at most 1 / 4",
        ),
        (
            lambda: spectral_filter(torch.eye(2), torch.ones(3), Ridge(1.0)),
            r"y must have shape \(2,\) or \(2, c\), got \(3,\)",
        ),
        (
            lambda: spectral_filter(torch.eye(2), torch.tensor([1.0, math.nan]), Ridge(1.0)),
            "y has NaN at row 1",
        ),
        (
            lambda: spectral_filter(torch.eye(2), torch.ones(2), Ridge(1.0), method="lu"),
            "method must be one of",
        ),
        (
            lambda: spectral_filter(-1.0 * Diagonal(torch.ones(2)), torch.ones(2), Ridge(1.0)),
            "K must be tagged psd",
        ),
        (
            lambda: spectral_filter(Dense(torch.ones(2, 3)), torch.ones(2), Ridge(1.0)),
            "K must be one square operator",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
