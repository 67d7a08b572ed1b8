"""The metric against POT, closed forms, linear programs of its own definition, and its bounds."""

import itertools
import math

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import brentq, linprog
from torch.autograd import gradcheck

from mercer.measure.orlicz import (
    Exponential,
    ExponentialRemainder,
    Power,
    luxemburg_norm,
    orlicz_wasserstein,
    orlicz_wasserstein_on_line,
)

SCALAR = {  # each function by the standard library
    Power(1.0): lambda t: t,
    Power(2.5): lambda t: t**2.5,
    Exponential(1.0): math.expm1,
    Exponential(2.0): lambda t: math.expm1(t * t),
    ExponentialRemainder(1): lambda t: math.expm1(t) - t,
    ExponentialRemainder(3): lambda t: math.expm1(t) - t - t**2 / 2 - t**3 / 6,
}
FUNCTIONS = list(SCALAR)


def clouds(d=2, n=9, m=7, seed=0, weighted=True):
    g = torch.Generator().manual_seed(seed)
    X = torch.randn(n, d, generator=g, dtype=torch.float64)
    Y = 1 + torch.randn(m, d, generator=g, dtype=torch.float64)
    if not weighted:
        return X, Y
    a, b = (torch.rand(k, generator=g, dtype=torch.float64) + 0.1 for k in (n, m))
    return X, Y, a / a.sum(), b / b.sum()


def inner_minimum(X, Y, a, b, function, scale):
    """The least expected cost at a scale, by a dense linear program in SciPy."""
    n, m = len(X), len(Y)
    C = np.array([[SCALAR[function](float((x - y).norm()) / scale) for y in Y] for x in X])
    rows = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    margins = np.concatenate([a.numpy(), b.numpy()])[:-1]
    return linprog(C.ravel(), A_eq=np.vstack(rows)[:-1], b_eq=margins, method="highs").fun


@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_functions_and_inverses(function):
    t = torch.tensor([0.0, 0.4, 1.0, 2.0, 5.0], dtype=torch.float64)
    wanted = torch.tensor([SCALAR[function](float(s)) for s in t], dtype=torch.float64)
    torch.testing.assert_close(function(t), wanted, rtol=1e-9, atol=0)
    torch.testing.assert_close(function.inverse(wanted), t, rtol=1e-9, atol=1e-12)
    assert gradcheck(function, t[1:].requires_grad_())


def test_the_remainder_does_not_cancel_and_its_inverse_reaches_far():
    small = torch.tensor([1e-6], dtype=torch.float64)
    torch.testing.assert_close(ExponentialRemainder(3)(small), small**4 / 24, rtol=1e-6, atol=0)
    far = torch.tensor([1e8, 1e200], dtype=torch.float64)
    found = ExponentialRemainder(1).inverse(far)
    torch.testing.assert_close(found.exp() - found - 1, far, rtol=1e-11, atol=0)


@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_luxemburg_norm(function):
    r, m = np.array([0.0, 0.3, 2.0, 2.5]), np.array([0.1, 0.5, 0.3, 0.1])
    wanted = brentq(
        lambda s: sum(w * SCALAR[function](v / s) for w, v in zip(m, r)) - 1, 0.2, 50, xtol=1e-13
    )
    lengths = torch.from_numpy(r[1:]).requires_grad_()
    norm = lambda v: luxemburg_norm(v, function, torch.from_numpy(m[1:]))  # noqa: E731
    torch.testing.assert_close(norm(lengths).item(), wanted, rtol=1e-10, atol=0)
    assert gradcheck(norm, lengths, atol=1e-6)
    torch.testing.assert_close(norm(7 * lengths), 7 * norm(lengths))


def test_luxemburg_norm_of_one_far_point_of_little_mass():
    # 1e-9 (exp((1e6 / s)^2) - 1) = 1, where exp overflows at any scale below 4e4.
    r, m = torch.tensor([[1e6, 0.0], [1e-9, 1.0]], dtype=torch.float64)
    wanted = 1e6 / math.sqrt(math.log1p(1e9))
    assert float(luxemburg_norm(r, Exponential(2.0), m)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_powers_are_wasserstein_distances(d, p):
    X, Y, a, b = clouds(d)
    M = np.linalg.norm(X.numpy()[:, None] - Y.numpy(), axis=-1) ** p
    wanted = ot.emd2(a.numpy(), b.numpy(), M) ** (1 / p)
    assert float(orlicz_wasserstein(X, Y, Power(p), a, b)) == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_the_inner_minimum_is_one(function):
    X, Y, a, b = clouds()
    W = float(orlicz_wasserstein(X, Y, function, a, b))
    assert inner_minimum(X, Y, a, b, function, W) == pytest.approx(1, abs=1e-6)


def test_equal_masses_by_all_assignments():
    X, Y = clouds(2, 5, 5, weighted=False)
    function = Exponential(2.0)
    r = np.linalg.norm(X.numpy()[:, None] - Y.numpy(), axis=-1)
    wanted = min(
        brentq(lambda s, q=q: np.mean(np.expm1((r[range(5), list(q)] / s) ** 2)) - 1, 0.5, 50)
        for q in itertools.permutations(range(5))
    )
    assert float(orlicz_wasserstein(X, Y, function)) == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize("function", [Power(2.5), Exponential(1.0), Exponential(2.0)], ids=str)
def test_on_the_line_the_linear_program_agrees(function):
    X, Y, a, b = clouds(1)
    line = orlicz_wasserstein_on_line(X[:, 0], Y[:, 0], function, a, b)
    assert inner_minimum(X, Y, a, b, function, float(line)) == pytest.approx(1, abs=1e-6)


def test_it_is_a_metric():
    function = Exponential(1.0)
    g = torch.Generator().manual_seed(5)
    A, B, C = (k + torch.randn(6, 2, generator=g, dtype=torch.float64) for k in range(3))
    W = lambda X, Y: float(orlicz_wasserstein(X, Y, function))  # noqa: E731
    assert W(A, B) == pytest.approx(W(B, A), rel=1e-8)
    assert W(A, C) <= W(A, B) + W(B, C)
    assert W(3 * A, 3 * B) == pytest.approx(3 * W(A, B), rel=1e-8)
    assert W(A, A[[3, 1, 0, 2, 5, 4]]) == 0


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("function", [Power(2.0), Exponential(1.0)], ids=str)
def test_the_entropic_metric_keeps_its_bounds(function, debiased):
    X, Y, a, b = clouds(2, 6, 5)
    W = float(orlicz_wasserstein(X, Y, function, a, b))
    h = max(float(-(m * m.log()).sum()) for m in (a, b))
    errors = []
    for epsilon in (0.4, 0.05):
        how = {"epsilon": epsilon, "debiased": debiased, "tol": 1e-6, "sinkhorn_tol": 1e-5}
        found = float(orlicz_wasserstein(X, Y, function, a, b, **how))
        low = 1 / (1 + epsilon * h) if debiased else 1
        assert low - 1e-6 <= found / W <= 1 / (1 - epsilon * h) + 1e-6
        errors.append(abs(found / W - 1))
    assert errors[1] < errors[0] / 2


def test_the_sinkhorn_divergence_of_pot_is_one_at_the_distance():
    X, Y, a, b = clouds(2, 6, 5)
    W = float(orlicz_wasserstein(X, Y, Exponential(1.0), a, b, epsilon=0.3, tol=1e-9))

    def entropic(P, Q, p, q):
        C = np.expm1(np.linalg.norm(P.numpy()[:, None] - Q.numpy(), axis=-1) / W)
        plan = ot.sinkhorn(p, q, C, 0.3, method="sinkhorn_log", stopThr=1e-12, numItermax=20_000)
        return (plan * C).sum() + 0.3 * (plan * np.log(plan / np.outer(p, q))).sum()

    p, q = a.numpy(), b.numpy()
    found = entropic(X, Y, p, q) - (entropic(X, X, p, p) + entropic(Y, Y, q, q)) / 2
    assert found == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("function", "epsilon"), [(Power(3.0), 0.0), (Exponential(2.0), 0.0), (Exponential(2.0), 0.5)]
)
def test_gradients(function, epsilon):
    X, Y, a, b = clouds(2, 4, 3)
    how = {"epsilon": epsilon, "tol": 1e-10, "sinkhorn_tol": 1e-9}
    W = lambda X, Y: orlicz_wasserstein(X, Y, function, a, b, **how)  # noqa: E731
    g = torch.Generator().manual_seed(1)
    U, V = (torch.randn(t.shape, generator=g, dtype=torch.float64) for t in (X, Y))
    gradients = torch.autograd.grad(W(X.requires_grad_(), Y.requires_grad_()), (X, Y))
    slope = float((gradients[0] * U).sum() + (gradients[1] * V).sum())
    with torch.no_grad():
        h = 1e-4
        wanted = float(W(X + h * U, Y + h * V) - W(X - h * U, Y - h * V)) / (2 * h)
    assert slope == pytest.approx(wanted, rel=1e-5)


def test_mass_far_out_is_bounded():
    # 1 per cent of the mass at distance 30 moves: Phi(30 / W) = 100.
    Y = torch.zeros(1, 1, dtype=torch.float64)
    X = torch.tensor([[0.0], [30.0]], dtype=torch.float64)
    a = torch.tensor([0.99, 0.01], dtype=torch.float64)
    W = float(orlicz_wasserstein(X, Y, Exponential(2.0), a))
    assert pytest.approx(30 / math.sqrt(math.log(101)), rel=1e-8) == W


def test_single_precision_and_points_far_from_zero():
    X, Y, a, b = (t.float() for t in clouds())
    found = orlicz_wasserstein(X, Y, Exponential(1.0), a, b)
    assert found.dtype == torch.float32
    exact = orlicz_wasserstein(
        *(t.double() for t in (X, Y)), Exponential(1.0), a.double(), b.double()
    )
    assert float(found) == pytest.approx(float(exact), rel=1e-6)
    moved = orlicz_wasserstein(
        X.double() + 1e6, Y.double() + 1e6, Power(2.0), a.double(), b.double()
    )
    here = orlicz_wasserstein(X.double(), Y.double(), Power(2.0), a.double(), b.double())
    assert float(moved) == pytest.approx(float(here), rel=1e-8)


def test_refusals():
    X, Y = torch.zeros(2, 1), torch.ones(3, 1)
    with pytest.raises(ValueError, match="p must be at least 1"):
        Power(0.5)
    with pytest.raises(ValueError, match="beta must be at least 1"):
        Exponential(math.nan)
    with pytest.raises(ValueError, match="degree must be at least 0"):
        ExponentialRemainder(-1)
    with pytest.raises(ValueError, match="epsilon must be at least 0"):
        orlicz_wasserstein(X, Y, Power(1.0), epsilon=-1.0)
    with pytest.raises(ValueError, match="Y has NaN at row 0"):
        orlicz_wasserstein(X, Y * math.nan, Power(1.0))
    with pytest.raises(ValueError, match="X has 1 coordinates but Y has 2"):
        orlicz_wasserstein(X, torch.ones(3, 2), Power(1.0))
    with pytest.raises(ValueError, match="a must sum to one, got 2"):
        orlicz_wasserstein(X, Y, Power(1.0), torch.ones(2))
    with pytest.raises(ValueError, match="lengths must not be negative"):
        luxemburg_norm(torch.tensor([-1.0]), Power(1.0))
    with pytest.raises(ValueError, match=r"x must have shape \(n,\)"):
        orlicz_wasserstein_on_line(X, X, Power(1.0))
