"""Logarithms of modified Bessel functions against mpmath and closed forms."""

from __future__ import annotations

import math
import warnings

import mpmath as mp
import numpy as np
import pytest
import scipy.special
import torch

from mercer.engine.compiler import compiler
from mercer.special import iv_ratio, log_iv, log_kv

BACKENDS = ["torch"] + (["compiled"] if compiler() else [])
TOLERANCE = 1e-13
FUNCTIONS = {"i": log_iv, "k": log_kv}


def exact_log_i(v: float, x: float) -> mp.mpf:
    """The power series with every term positive, in 40 digits."""
    v, y = mp.mpf(v), (mp.mpf(x) / 2) ** 2
    term = total = mp.mpf(1)
    k = 0
    while term > total * mp.mpf(10) ** -38:
        k += 1
        term *= y / (k * (v + k))
        total += term
    return v * mp.log(mp.mpf(x) / 2) - mp.loggamma(v + 1) + mp.log(total)


def exact_log_k(v: float, x: float) -> mp.mpf:
    """The trapezoidal rule on the integral over the line, about its largest value."""
    v, x = mp.mpf(v), mp.mpf(x)
    top, h = mp.asinh(v / x), mp.sqrt(v * v + x * x)
    step, largest = 1 / (3 * mp.sqrt(h) + 8), h - v * top
    total = mp.mpf(0)
    for sign in (1, -1):
        k = (sign - 1) // -2
        while True:
            t = top + sign * k * step
            below = x * mp.cosh(t) - v * t - largest
            if below > 80:
                break
            total += mp.exp(-below)
            k += 1
    return mp.log(total * step / 2) - largest


EXACT = {"i": exact_log_i, "k": exact_log_k}


def errors(kind: str, v: np.ndarray, x: np.ndarray, backend: str) -> np.ndarray:
    """Relative where the logarithm is above one in size, absolute below."""
    got = FUNCTIONS[kind](torch.tensor(v), torch.tensor(x), backend=backend).tolist()
    with mp.workdps(40):
        exact = [EXACT[kind](a, b) for a, b in zip(v.tolist(), x.tolist())]
        return np.array([float(abs(mp.mpf(g) - e) / max(1, abs(e))) for g, e in zip(got, exact)])


def pairs(name: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    if name == "small":
        v, x = rng.uniform(0, 20, (2, 40))
        v[:21], x[21:27] = np.arange(21), (2, 3.5, 7, 12, 19.9, 1e-3)
        v[21:27] = (0, 0.5, 1.5, 3.5, 1.0, 19.5)
    elif name == "published small":
        v, x = rng.uniform(0, 150, (2, 30))
    elif name == "edges":  # on both sides of the widths where the number of terms changes
        angle = rng.uniform(0, math.pi / 2, 24)
        width = np.repeat([20.0, 28, 40, 100], 6) * (1 + rng.choice([-1e-9, 1e-9], 24))
        v, x = width * np.sin(angle), width * np.cos(angle)
    else:  # next to the zero of the exponent, where terms cancel
        v = 10 ** rng.uniform(1.4, 2.5, 20)
        x = 0.6627434193491816 * v * (1 + rng.choice([-1, 1], 20) * 10 ** rng.uniform(-12, -1, 20))
    return v, x


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["i", "k"])
@pytest.mark.parametrize("name", ["small", "published small", "edges", "next to the zero"])
def test_values(name: str, kind: str, backend: str) -> None:
    assert errors(kind, *pairs(name), backend).max() < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["i", "k"])
def test_values_of_the_published_large_range(kind: str, backend: str) -> None:
    v, x = np.random.default_rng(0).uniform(150, 10000, (2, 60))
    assert errors(kind, v, x, backend).max() < TOLERANCE


@pytest.mark.parametrize("backend", BACKENDS)
def test_half_integer_orders_are_elementary(backend: str) -> None:
    for x in (1e-200, 1e-3, 0.7, 3.0, 30.0, 1e3, 1e8, 1e300):
        X = torch.tensor([x], dtype=torch.float64)
        with mp.workdps(40):
            a = mp.mpf(x)
            log_sinh = mp.log(mp.sinh(a)) if x < 1e3 else a - mp.log(2)
            exact_i = mp.log(2 / (mp.pi * a)) / 2 + log_sinh
            exact_k = mp.log(mp.pi / (2 * a)) / 2 - a
            exact_k3 = exact_k + mp.log1p(1 / a)
        for got, exact in (
            (log_iv(0.5, X, backend=backend), exact_i),
            (log_kv(0.5, X, backend=backend), exact_k),
            (log_kv(1.5, X, backend=backend), exact_k3),
        ):
            assert abs(got.item() - float(exact)) <= TOLERANCE * max(1, abs(float(exact)))


def leading(kind: str, v: float, x: float) -> float:
    """The uniform expansion with three terms: enough beyond an order or argument of 1e6."""
    with mp.workdps(700):
        v, x = mp.mpf(v), mp.mpf(x)
        h, sign = mp.sqrt(v * v + x * x), 1 if kind == "i" else -1
        s = (v / h) ** 2
        total = 1 + sign * (3 - 5 * s) / 24 / h + (81 - 462 * s + 385 * s**2) / 1152 / h**2
        log_c = mp.log(2 * mp.pi * h) / 2 if kind == "i" else mp.log(2 * h / mp.pi) / 2
        return float(sign * (h - v * mp.asinh(v / x)) - log_c + mp.log(total))


EXTREMES = [
    (1e10, 1e-300),
    (1e10, 1e308),
    (1e300, 1e300),
    (1e300, 1e-300),
    (1.7e308, 1.7e308),
    (5e307, 1e308),
    (1e308, 3.0),
    (0.0, 1e308),
    (1e-300, 1e7),
    (30.0, 1e308),
    (1e10, 0.6627434193491816e10),
    (1e15, 0.6627434193491816e15),
    (1e300, 0.6627434193491816e300),
    (16383.0 * 1e3, 1e-320),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["i", "k"])
def test_any_order_and_argument(kind: str, backend: str) -> None:
    v, x = (torch.tensor(column, dtype=torch.float64) for column in zip(*EXTREMES))
    got = FUNCTIONS[kind](v, x, backend=backend)
    for (a, b), value in zip(EXTREMES, got.tolist()):
        exact = leading(kind, a, b)
        if math.isinf(exact):  # beyond the largest double
            assert value == exact, (a, b)
        else:
            assert abs(value - exact) <= TOLERANCE * max(1, abs(exact)), (a, b, value, exact)


@pytest.mark.parametrize("backend", BACKENDS)
def test_tiny_arguments(backend: str) -> None:
    v = torch.tensor([0, 1e-300, 1e-9, 0.3, 1, 4.5, 12, 19.9], dtype=torch.float64)
    for x in (5e-324, 1e-310, 1e-160):
        X = torch.full_like(v, x)
        with mp.workdps(60):
            y = mp.mpf(x) / 2
            exact_i = [float(a * mp.log(y) - mp.loggamma(1 + mp.mpf(a))) for a in v.tolist()]
            # K_v = (Gamma(v) y^-v + Gamma(-v) y^v) / 2 up to y^2; -log y - gamma at v = 0.
            exact_k = [float(mp.log(-mp.log(y) - mp.euler))] * 2 + [
                float(mp.log((mp.gamma(a) * y**-a + (mp.gamma(-a) * y**a if a % 1 else 0)) / 2))
                for a in map(mp.mpf, v.tolist()[2:])
            ]
        for f, exact in ((log_iv, exact_i), (log_kv, exact_k)):
            got = f(v, X, backend=backend)
            np.testing.assert_allclose(got, exact, rtol=TOLERANCE, atol=1e-300)


def test_small_logarithms_keep_their_digits() -> None:
    x = torch.tensor([1e-150, 1e-8, 1e-3], dtype=torch.float64)
    for backend in BACKENDS:
        np.testing.assert_allclose(
            log_iv(0.0, x, backend=backend), x**2 / 4 - x**4 / 64, rtol=1e-14
        )


def test_where_scipy_fails() -> None:
    v, x = np.random.default_rng(1).uniform(1, 3000, (2, 4000))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for kind, theirs in (("i", scipy.special.iv), ("k", scipy.special.kv)):
            log = np.log(theirs(v, x))
            failed = ~(np.abs(log) < 690)  # beyond, it is 0, infinite or has lost digits
            got = FUNCTIONS[kind](torch.tensor(v), torch.tensor(x)).numpy()
            assert failed.sum() > 1000
            assert np.isfinite(got).all()
            np.testing.assert_allclose(got[~failed], log[~failed], rtol=1e-11, atol=1e-11)


def test_wronskian() -> None:
    """``I_v K_(v+1) + I_(v+1) K_v = 1 / x`` ties both functions together where neither is known."""
    g = torch.Generator().manual_seed(0)
    for high in (3.0, 30.0, 300.0):
        v, x = high * torch.rand(2, 3000, dtype=torch.float64, generator=g)
        for backend in BACKENDS:
            I, I_next = (log_iv(w, x, backend=backend) for w in (v, v + 1))
            K, K_next = (log_kv(w, x, backend=backend) for w in (v, v + 1))
            total = torch.logaddexp(I + K_next, I_next + K) + x.log()
            assert total.abs().max() < 3e-15 * (10 + I.abs().max() + K.abs().max())


ORDERS = (0.0, 0.3, 1.0, 2.5, 7.2, 3.0, 15.0, 60.0, 5.0, 300.0)
ARGUMENTS = (0.5, 1.1, 1.9, 3.0, 9.0, 14.0, 18.0, 3.0, 80.0, 200.0)


@pytest.mark.parametrize("kind", ["i", "k"])
def test_derivatives(kind: str) -> None:
    v, x = (
        torch.tensor(column, dtype=torch.float64, requires_grad=True)
        for column in (ORDERS, ARGUMENTS)
    )
    dv, dx = torch.autograd.grad(FUNCTIONS[kind](v, x).sum(), (v, x), create_graph=True)
    dxv, dxx = torch.autograd.grad(dx.sum(), (v, x), retain_graph=True)
    dvv, dvx = torch.autograd.grad(dv.sum(), (v, x))
    torch.testing.assert_close(dxv, dvx, rtol=1e-12, atol=1e-13)
    with mp.workdps(40):
        step = mp.mpf(10) ** -9
        for k, (a, b) in enumerate(zip(ORDERS, ARGUMENTS)):
            A, B = mp.mpf(a), mp.mpf(b)
            f = lambda p, q: EXACT[kind](abs(p) if kind == "k" else p, q)  # noqa: E731
            centre = f(A, B)
            up, down = f(A, B + step), f(A, B - step)
            values = [(up - down) / (2 * step), (up - 2 * centre + down) / step**2]
            up, down = f(A + step, B), f(A - step, B)
            values += [(up - down) / (2 * step), (up - 2 * centre + down) / step**2]
            for value, got in zip(values, (dx[k], dxx[k], dv[k], dvv[k])):
                assert abs(float(value) - got.item()) < 1e-11 * max(1, abs(float(value))), (a, b)


def test_slope_far_out_follows_the_expansion() -> None:
    """``d log I_0 = 1 - 1/(2x) - 1/(8x^2)``, ``d2 = 1/(2x^2) + 1/(4x^3)`` for large x."""
    x = torch.tensor([1e8, 1e9, 1e100], dtype=torch.float64, requires_grad=True)
    (dx,) = torch.autograd.grad(log_iv(0.0, x).sum(), x, create_graph=True)
    (dxx,) = torch.autograd.grad(dx.sum(), x)
    torch.testing.assert_close(dx, 1 - 1 / (2 * x) - 1 / (8 * x**2), rtol=1e-15, atol=0)
    torch.testing.assert_close(dxx, 1 / (2 * x**2) + 1 / (4 * x**3), rtol=1e-14, atol=0)


def test_gradients_of_broadcast_arguments_and_scalars() -> None:
    v = torch.tensor([[0.4], [25.0]], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([0.9, 30.0], dtype=torch.float64, requires_grad=True)
    for f in (log_iv, log_kv, iv_ratio):
        assert f(v, x).shape == (2, 2)
        assert torch.autograd.gradcheck(f, (v, x))
        assert torch.autograd.gradcheck(lambda q, f=f: f(2.5, q), x)
        assert torch.autograd.gradgradcheck(lambda q, f=f: f(2.5, q), x[:1])


def test_ratio_of_neighbouring_orders() -> None:
    cases = [(0.0, 1e-8), (0.5, 3.0), (3.0, 25.0), (16383.0, 1.0), (16383.0, 3e4), (1e8, 1e-3)]
    v, x = (torch.tensor(column, dtype=torch.float64) for column in zip(*cases))
    for (a, b), got in zip(cases, iv_ratio(v, x).tolist()):
        with mp.workdps(30):
            value = mp.mpf(0)
            for k in range(int(10 * b**0.5) + 100, 0, -1):  # the continued fraction
                value = 1 / (2 * (mp.mpf(a) + k) / mp.mpf(b) + value)
            assert abs(got / float(value) - 1) < TOLERANCE
    assert iv_ratio(torch.tensor([0.0, 2.0]), torch.zeros(2)).tolist() == [0, 0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_at_zero(backend: str) -> None:
    v = torch.tensor([0.0, 1e-300, 0.5, 7.0, 1e300], dtype=torch.float64)
    x = torch.zeros(5, dtype=torch.float64)
    assert log_iv(v, x, backend=backend).tolist() == [0, *[-math.inf] * 4]
    assert log_kv(v, x, backend=backend).tolist() == [math.inf] * 5


def test_slopes_at_zero() -> None:
    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(log_iv(torch.tensor([0.0, 3.0]), x).sum(), x)
    assert slope.tolist() == [0, math.inf]


def test_negative_orders() -> None:
    v = torch.tensor([-2.0, -0.5, -7.0, -2.5, -60.3], dtype=torch.float64)
    x = torch.tensor([1.3, 0.7, 50.0, 1.1, 700.0], dtype=torch.float64)
    for a, b, i, k in zip(v.tolist(), x.tolist(), log_iv(v, x).tolist(), log_kv(v, x).tolist()):
        with mp.workdps(40):
            assert abs(i - float(mp.log(mp.besseli(a, b)))) < 1e-12 * max(1, abs(i))
            assert abs(k - float(mp.log(mp.besselk(a, b)))) < 1e-12 * max(1, abs(k))
    with pytest.raises(ValueError, match=r"order -1.5 has I_v\(x\) <= 0 at x = 0.1"):
        log_iv(-1.5, torch.tensor([0.1]))
    q = torch.tensor([-0.4, -2.3], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.8, 5.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(log_iv, (q, y))
    assert torch.autograd.gradcheck(log_kv, (q, y))


def test_backends_agree_over_blocks_of_mixed_regimes() -> None:
    if "compiled" not in BACKENDS:
        pytest.skip("no C compiler")
    g = torch.Generator().manual_seed(3)
    v, x = (10 ** (6 * torch.rand(5001, dtype=torch.float64, generator=g) - 3) for _ in range(2))
    for f in (log_iv, log_kv):
        a, b = f(v, x, backend="torch"), f(v, x, backend="compiled")
        assert ((a - b).abs() <= 2e-14 * a.abs().clamp(min=1)).all()
        assert torch.equal(f(v[::3], x[::3], backend="compiled"), b[::3])


def test_dtypes_shapes_and_refusals() -> None:
    x = torch.tensor([1.0, 2.0])
    assert log_iv(torch.tensor([1, 2]), x).dtype == torch.float32
    assert log_kv(torch.ones(2, dtype=torch.float64), x).dtype == torch.float64
    exact = log_kv(3.0, x.double())
    assert torch.equal(log_kv(3.0, x), exact.float())
    assert log_iv(torch.zeros(0, 3), torch.zeros(0, 3)).shape == (0, 3)
    assert log_kv(1.0, torch.tensor(2.0)).shape == ()
    for f in (log_iv, log_kv, iv_ratio):
        with pytest.raises(ValueError, match="x must not be negative, got -1"):
            f(1.0, torch.tensor([-1.0]))
        with pytest.raises(ValueError, match="x has NaN at index 1"):
            f(1.0, torch.tensor([1.0, math.nan]))
        with pytest.raises(ValueError, match=r"order has shape \(3,\) and x \(2,\), which do not"):
            f(torch.ones(3), torch.ones(2))
        with pytest.raises(ValueError, match="order has infinity"):
            f(torch.tensor([math.inf]), torch.tensor([1.0]))
        with pytest.raises(TypeError, match="x must hold floating-point numbers"):
            f(1.0, torch.tensor([1]))
        with pytest.raises(TypeError, match="order must hold real numbers"):
            f(torch.tensor([True]), torch.tensor([1.0]))
    with pytest.raises(ValueError, match="order must not be negative, got -1"):
        iv_ratio(-1.0, torch.tensor([1.0]))
    with pytest.raises(ValueError, match="backend must be one of auto, compiled, torch"):
        log_iv(1.0, x, backend="fast")


@pytest.mark.gpu
def test_on_a_gpu() -> None:
    g = torch.Generator().manual_seed(4)
    v, x = (10 ** (7 * torch.rand(20000, dtype=torch.float64, generator=g) - 3) for _ in range(2))
    for f in (log_iv, log_kv):
        a, b = f(v, x, backend="torch"), f(v.cuda(), x.cuda()).cpu()
        assert ((a - b).abs() <= 2e-14 * a.abs().clamp(min=1)).all()
    with pytest.raises(ValueError, match="it runs on the CPU"):
        log_iv(v.cuda(), x.cuda(), backend="compiled")


@pytest.mark.parametrize("order", [-0.5, -1.25, -3.0])
def test_one_negative_order_at_one_argument(order):
    v = torch.tensor(order, dtype=torch.float64, requires_grad=True)
    x = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
    value = log_iv(v, x)
    assert value.shape == log_iv(order, x).shape == ()
    assert float(value.detach()) == pytest.approx(float(mp.log(mp.besseli(order, 2.5))), rel=1e-13)
    slope = torch.autograd.grad(value, x)[0]
    beside = (mp.besseli(order - 1, 2.5) + mp.besseli(order + 1, 2.5)) / 2
    exact = beside / mp.besseli(order, 2.5)
    assert float(slope) == pytest.approx(float(exact), rel=1e-12)


def test_negative_orders_of_a_matrix_broadcast():
    v, x = torch.tensor([[-0.5], [1.0]]).double(), torch.tensor([1.0, 2.0, 3.0]).double()
    exact = [[float(mp.log(mp.besseli(a, b))) for b in x.tolist()] for a in (-0.5, 1.0)]
    torch.testing.assert_close(log_iv(v, x), torch.tensor(exact, dtype=v.dtype), rtol=1e-12, atol=0)


def test_gradient_of_no_arguments():
    x = torch.zeros(0, 3, requires_grad=True)
    log_iv(1.0, x).sum().backward()
    assert x.grad.shape == (0, 3)
