"""Shift-invariant kernels, by reals and by digits: against series, mpmath and qmcpy."""

import math

import mpmath
import numpy as np
import pytest
import qmcpy
import torch

from mercer.kernels import (
    RBF,
    AdaptiveDigitallyShiftInvariant,
    DigitallyShiftInvariant,
    ShiftInvariant,
)
from mercer.kernels.digitally_shift_invariant import DIGITS
from mercer.linalg import solve
from mercer.operators import Dense, EntrywiseProduct, Identity, LowRank
from mercer.testing import check_kernel, check_operator

F64 = torch.float64
WEIGHTS = [0.7, 0.4, 1.1]


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.parametrize(
    "kernel",
    [
        ShiftInvariant(3, 1, WEIGHTS),
        ShiftInvariant(3, [2, 3, 4], 0.8, 2.0),
        ShiftInvariant(3, weights=WEIGHTS, combination=[1.0, 0.3, 0.2, 0.1]),
        DigitallyShiftInvariant(3, [1, 3, 4], WEIGHTS),
        DigitallyShiftInvariant(3, combination=np.full((4, 3), 0.3).tolist()),
        AdaptiveDigitallyShiftInvariant(3, [0.5, 1.0, 3.0]),
    ],
    ids=lambda kernel: repr(kernel)[:40],
)
def test_contract(kernel):
    real = isinstance(kernel, ShiftInvariant)
    check_kernel(kernel, gradients=real, compiled=False, operator=False)


@pytest.mark.parametrize("family", [ShiftInvariant, DigitallyShiftInvariant])
def test_operator_contract(family):
    kernel = family(2, [2, 3], [0.4, 0.6], 1.5)
    X, Y = uniform(3, 2), uniform(2, 2, seed=1)
    gradients = family is ShiftInvariant
    check_operator(lambda X: kernel(X), X, gradients=False, compiled=False)
    check_operator(lambda X, Y: kernel(X, Y), X, Y, gradients=gradients, compiled=False)


def test_entrywise_product_contract():
    def make(A, B):
        return EntrywiseProduct(Dense(A), Dense(B))

    check_operator(make, uniform(2, 3, 4), uniform(3, 4, seed=1), compiled=False)
    psd = EntrywiseProduct(LowRank(uniform(3, 1)), LowRank(uniform(3, 2)))
    assert "psd" in psd.tags
    with pytest.raises(ValueError, match="same rows and columns, got 2 x 2 and 3 x 3"):
        EntrywiseProduct(Dense(uniform(2, 2)), Dense(uniform(3, 3)))
    kernel, X = ShiftInvariant(2, 2), uniform(6, 2)
    K = (kernel * RBF())(X)
    torch.testing.assert_close(K.dense(), kernel(X).dense() * RBF()(X).dense())
    torch.testing.assert_close(K @ X, K.dense() @ X)


@pytest.mark.parametrize(
    "make",
    [
        lambda w, s, c: DigitallyShiftInvariant(2, [2, 4], w, s),
        lambda w, s, c: DigitallyShiftInvariant(2, weights=w, scale=s, combination=c),
        lambda w, s, c: AdaptiveDigitallyShiftInvariant(2, c[0], w, s),
        lambda w, s, c: ShiftInvariant(2, weights=w, scale=s, combination=c),
    ],
)
def test_gradients_in_parameters(make):
    X, Y, V = uniform(4, 2), uniform(5, 2, seed=1), uniform(5, 1, seed=2)
    parameters = [0.5 + uniform(*shape, seed=3) for shape in ((2,), (), (4, 2))]
    inputs = [p.requires_grad_() for p in parameters]
    product = lambda *p: make(*p)(X, Y) @ V  # noqa: E731
    assert torch.autograd.gradcheck(product, inputs)
    assert torch.autograd.gradgradcheck(product, inputs)


@pytest.mark.parametrize("alpha", [1, 2, 3, 4])
def test_shift_invariant_kernel_is_bernoullis_polynomial(alpha):
    x = torch.cat([uniform(6), torch.tensor([0.0, 0.5, 0.999999, -0.25, 3.7], dtype=F64)])
    found = ShiftInvariant(1, alpha, 0.3, 2.0)(x[:, None], torch.zeros(1, 1, dtype=F64)).dense()
    factor = (-1) ** (alpha + 1) * (2 * mpmath.pi) ** (2 * alpha) / mpmath.factorial(2 * alpha)
    for k, value in enumerate(x.tolist()):
        delta = mpmath.mpf(value) - mpmath.floor(value)
        expected = 2 * (1 + mpmath.mpf(0.3) * factor * mpmath.bernpoly(2 * alpha, delta))
        assert float(found[k, 0]) == pytest.approx(float(expected), rel=1e-13, abs=1e-13)


def test_shift_invariant_kernel_is_a_fourier_series():
    x, h = uniform(5), torch.arange(1, 2000, dtype=F64)
    series = 2 * ((2 * math.pi * h * x[:, None]).cos() / h**4).sum(-1)
    kernel = ShiftInvariant(1, 2)
    found = kernel(x[:, None], torch.zeros(1, 1, dtype=F64))[:, 0] - 1
    torch.testing.assert_close(found, series, rtol=0, atol=1e-9)  # of terms beyond: 1 / (3 h^3)


def mu(alpha: int, h: int) -> int:
    """The sum of the alpha largest places, from one, of a one in the binary digits of h."""
    places = [k + 1 for k in range(h.bit_length()) if h >> k & 1]
    return sum(sorted(places)[-alpha:])


def walsh(h: int, x: int, digits: int) -> int:
    """The Walsh function of a number of so many digits after the point."""
    reversed_x = int(f"{x:0{digits}b}"[::-1], 2)
    return -1 if (h & reversed_x).bit_count() % 2 else 1


@pytest.mark.parametrize("alpha", [1, 2, 3, 4, 0.5, 2.5])
def test_digital_kernels_are_walsh_series(alpha):
    """On multiples of 2^-t a series of terms below 2^t, and the rest a multiple of one column."""
    t, adaptive = 6, not isinstance(alpha, int)

    def weight(h: int) -> float:
        if adaptive:
            return 2.0 ** (-(alpha + 1) * (mu(1, h) - 1))
        return 2.0 ** (1 - 2 * mu(1, h)) if alpha == 1 else 2.0 ** -mu(alpha, h)

    last = 1 << (13 if not adaptive or alpha > 1 else 16)
    aliased = np.zeros(1 << t)  # wal_h on multiples of 2^-t depends on h modulo 2^t
    for h in range(1, last):
        aliased[h % (1 << t)] += weight(h)
    series = [sum(c * walsh(h, x, t) for h, c in enumerate(aliased)) for x in range(1 << t)]
    family = AdaptiveDigitallyShiftInvariant if adaptive else DigitallyShiftInvariant
    x = torch.arange(1 << t, dtype=F64)[:, None] / (1 << t)
    found = family(1, alpha)(x, x[:1])[:, 0].numpy() - 1
    # What is cut off changes the value at zero, and no other, as blocks of terms cancel there.
    np.testing.assert_allclose(found[1:], series[1:], atol=3e-3 if alpha == 0.5 else 1e-3)
    assert 0 <= found[0] - series[0] < 0.02 if alpha == 0.5 else 1e-3


def test_every_digit_is_read():
    """Against sums in exact arithmetic, at numbers with one digit far down."""
    for place in (1, 17, 18, 19, 30, 52):
        delta = torch.tensor([1 << (DIGITS - place)])
        x, t = mpmath.mpf(2) ** -place, mpmath.mpf(2) ** -place
        beta = place
        closed = {
            1: 1 - 3 * t,
            2: -beta * x + mpmath.mpf(5) / 2 * (1 - t) - 1,
            3: beta * x**2 - 5 * (1 - t) * x + mpmath.mpf(43) / 18 * (1 - t**2) - 1,
            4: -mpmath.mpf(2) / 3 * beta * x**3
            + 5 * (1 - t) * x**2
            - mpmath.mpf(43) / 9 * (1 - t**2) * x
            + mpmath.mpf(701) / 294 * (1 - t**3)
            - 1
            + beta
            * ((mpmath.mpf(8) / 7 - 2 * mpmath.mpf(8) ** (1 - place)) / 48 - mpmath.mpf(1) / 42),
        }
        for order, expected in closed.items():
            found = DigitallyShiftInvariant.univariate(order, delta, F64)
            assert float(found) == pytest.approx(float(expected), rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("alpha", [1, 2, 3, 4])
def test_equals_qmcpy(alpha):
    x, y = uniform(7, 3).numpy(), uniform(5, 3, seed=1).numpy()
    options = {"scale": 1.5, "lengthscales": WEIGHTS}
    X, Y = torch.from_numpy(x), torch.from_numpy(y)
    theirs = qmcpy.KernelShiftInvar(3, alpha=alpha, **options)(x[:, None], y[None])
    ours = ShiftInvariant(3, alpha, WEIGHTS, 1.5)(X, Y).dense()
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)
    theirs = qmcpy.KernelDigShiftInvar(3, t=DIGITS, alpha=alpha, **options)(x[:, None], y[None])
    ours = DigitallyShiftInvariant(3, alpha, WEIGHTS, 1.5)(X, Y).dense()
    # qmcpy cuts the sum of order four at 1e-8.
    np.testing.assert_allclose(ours, theirs, rtol=1e-7 if alpha == 4 else 1e-11)


def test_mixed_and_adaptive_equal_qmcpy():
    x, y = uniform(7, 3).numpy(), uniform(5, 3, seed=1).numpy()
    X, Y = torch.from_numpy(x), torch.from_numpy(y)
    mixed = 0.2 + uniform(4, 3, seed=4)
    options = {"scale": 1.5, "lengthscales": WEIGHTS}
    # Its combined shift-invariant kernel mixes Bernoulli polynomials of degree 1 to 4, of which the
    # odd ones are no kernels; so the mixture is made of its kernels of one order.
    product = 1.5
    for j in range(3):
        delta = [x[:, None, j : j + 1], y[None, :, j : j + 1]]
        singles = [qmcpy.KernelShiftInvar(1, alpha=p, lengthscales=1.0) for p in range(1, 5)]
        values = [float(c) * (k(*delta) - 1) for c, k in zip(mixed[:, j], singles)]
        product = product * (1 + WEIGHTS[j] * sum(values))
    ours = ShiftInvariant(3, None, WEIGHTS, 1.5, mixed)(X, Y).dense()
    np.testing.assert_allclose(ours, product, rtol=1e-10, atol=1e-10)
    combined = qmcpy.KernelDigShiftInvarCombined(3, t=DIGITS, alpha=mixed.numpy(), **options)
    ours = DigitallyShiftInvariant(3, None, WEIGHTS, 1.5, mixed)(X, Y).dense()
    np.testing.assert_allclose(ours, combined(x[:, None], y[None]), rtol=1e-7)
    alpha = [0.5, 1.0, 2.5]
    adaptive = qmcpy.KernelDigShiftInvarAdaptiveAlpha(3, t=DIGITS, alpha=alpha, **options)
    ours = AdaptiveDigitallyShiftInvariant(3, alpha, WEIGHTS, 1.5)(X, Y).dense()
    np.testing.assert_allclose(ours, adaptive(x[:, None], y[None]), rtol=1e-10, atol=1e-12)


def test_excess_has_no_cancellation():
    weights = 1e-12
    delta = uniform(4, 2)
    found = ShiftInvariant(2, 1, weights).excess(delta)
    each = 2 * math.pi**2 * (1 / 6 - delta * (1 - delta))
    torch.testing.assert_close(found, weights * each.sum(-1), rtol=1e-10, atol=0)


def test_products_go_by_blocks_of_rows(monkeypatch):
    """A product larger than a block is that of the matrix, with gradients, and so is a solve."""
    monkeypatch.setattr("mercer.operators.by_rows.BLOCK", 12)
    X = uniform(5, 2)
    weights = torch.tensor([0.5, 0.3], dtype=F64, requires_grad=True)
    kernel = ShiftInvariant(2, 2, weights)
    v = uniform(5, 1, seed=5).requires_grad_()
    torch.testing.assert_close(kernel(X) @ v, kernel(X).dense() @ v)
    found = torch.autograd.grad((kernel(X) @ v).square().sum(), (weights, v))
    expected = torch.autograd.grad((kernel(X).dense() @ v).square().sum(), (weights, v))
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradgradcheck(lambda w, v: ShiftInvariant(2, 2, w)(X) @ v, (weights, v))
    K = kernel(X) + 0.1 * Identity(5)
    x = solve(K, v.detach(), method="cg", tol=1e-10).x
    torch.testing.assert_close(K.dense() @ x, v.detach())


def test_refusals():
    with pytest.raises(ValueError, match="alpha must be 1, 2, 3 or 4, got 5"):
        ShiftInvariant(2, 5)
    with pytest.raises(ValueError, match=r"alpha must be 1, 2, 3 or 4, got 1.5"):
        ShiftInvariant(2, 1.5)
    with pytest.raises(ValueError, match="alpha must be one number or 2, got 3"):
        ShiftInvariant(2, [1, 2, 3])
    with pytest.raises(ValueError, match="give alpha or combination, not both"):
        DigitallyShiftInvariant(2, 1, combination=[1.0] * 4)
    with pytest.raises(ValueError, match=r"combination must have shape \(4,\) or \(4, 2\)"):
        DigitallyShiftInvariant(2, combination=[1.0] * 3)
    with pytest.raises(ValueError, match="weights must be positive, got -1"):
        ShiftInvariant(2, weights=[1.0, -1.0])
    with pytest.raises(ValueError, match="weights must be one number or 2"):
        ShiftInvariant(2, weights=[1.0] * 3)
    with pytest.raises(ValueError, match="alpha must be positive, got 0"):
        AdaptiveDigitallyShiftInvariant(2, 0.0)
    with pytest.raises(ValueError, match="dimension is 2, but the points have 3 columns"):
        ShiftInvariant(2)(uniform(4, 3))
    with pytest.raises(ValueError, match="the points must not require a gradient"):
        DigitallyShiftInvariant(2)(uniform(4, 2).requires_grad_())
