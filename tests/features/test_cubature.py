"""Cubature to a requested error: against closed forms, qmcpy, and integrands made to fail."""

import math

import numpy as np
import pytest
import qmcpy
import scipy.integrate
import scipy.stats
import torch

from mercer.features.cubature import (
    BayesRule,
    ConeRule,
    ReplicationsRule,
    integrate,
    periodised,
)
from mercer.features.cubature.periodisation import CHANGES
from mercer.features.points import DigitalNet, Halton, Lattice
from mercer.kernels import DigitallyShiftInvariant, ShiftInvariant
from mercer.linalg.solution import ConvergenceWarning

F64 = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(x):
    return (-x.square().sum(-1)).exp()


def gaussian_integral(d):
    return (math.sqrt(math.pi) / 2 * math.erf(1)) ** d


@pytest.mark.parametrize("points", [Lattice, DigitalNet, Halton])
@pytest.mark.parametrize("rule", ["replications", "guaranteed", "bayes"])
def test_error_is_within_the_request(rule, points):
    if points is Halton and rule != "replications":
        with pytest.raises(ValueError, match="points must be a lattice or a digital net"):
            integrate(gaussian, 3, rule=rule, points=points, absolute_error=1e-3)
        return
    for seed in range(2):
        found = integrate(
            gaussian, 3, rule=rule, points=points, absolute_error=1e-4, generator=generator(seed)
        )
        assert found.converged
        assert float(found.error_bound) <= 1e-4
        assert abs(float(found.value) - gaussian_integral(3)) <= 1e-4
        assert found.value.shape == ()


def test_a_smaller_error_takes_more_points():
    for rule in ("replications", "guaranteed", "bayes"):
        n = [
            integrate(gaussian, 2, rule=rule, absolute_error=error, generator=generator()).n
            for error in (1e-2, 1e-6)
        ]
        assert n[1] > n[0], rule


def test_replications_bound_is_students():
    points = DigitalNet(2, replications=7, generator=generator())
    found = integrate(gaussian, 2, points=points, absolute_error=1.0, confidence=0.9)
    means = gaussian(points.points(256)).mean(-1).numpy()
    interval = scipy.stats.t.interval(0.9, 6, means.mean(), scipy.stats.sem(means))
    np.testing.assert_allclose(
        [found.value - found.error_bound, found.value + found.error_bound], interval, rtol=1e-10
    )
    assert found.n == 7 * 256


def test_replications_cover():
    """The share of intervals that hold the truth is binomial about the confidence."""
    f, R, trials = (lambda x: x.prod(-1).sqrt()), 8, 200
    hits = 0
    for seed in range(trials):
        points = Lattice(2, replications=R, generator=generator(seed))
        rule = ReplicationsRule(R, first=16)
        found = integrate(f, 2, points=points, rule=rule, absolute_error=1.0, confidence=0.8)
        hits += abs(float(found.value) - 4 / 9) <= float(found.error_bound)
    assert scipy.stats.binomtest(hits, trials, 0.8).pvalue > 1e-3


def test_vector_valued_and_relative():
    def f(x):
        return torch.stack([torch.stack([x[:, 0], x[:, 1] ** 2], -1)] * 3, -2) * 100

    found = integrate(f, 2, absolute_error=0.0, relative_error=1e-4, generator=generator())
    expected = torch.tensor([[50.0, 100 / 3]] * 3, dtype=F64)
    assert found.value.shape == found.error_bound.shape == (3, 2)
    assert bool(((found.value - expected).abs() <= 1e-4 * expected).all())


def test_relative_error_moves_the_value():
    """For a tolerance r |mu| the best value of an interval v -+ b is v - r b."""
    rule = ReplicationsRule(2, first=2)
    found = integrate(
        lambda x: 10 + x[:, 0].exp(), 1, absolute_error=0.0, relative_error=0.5, rule=rule,
        generator=generator(),
    )  # fmt: skip
    points = DigitalNet(1, replications=2, generator=generator())
    middle = 10 + float(points.points(2).exp().mean())
    expected = middle - 0.5 * float(found.error_bound)
    assert float(found.value) == pytest.approx(expected, rel=1e-12)


class Borrowed(Lattice):
    """The points of another package."""

    def __init__(self, source):
        super().__init__(source.d)
        self.source = source

    def _points(self, n, start):
        return torch.from_numpy(self.source(n_min=start, n_max=start + n))


class BorrowedNet(DigitalNet):
    """The points of another package."""

    def __init__(self, source):
        super().__init__(source.d)
        self.source = source

    _points = Borrowed._points


def sources():
    return {
        "lattice": (qmcpy.Lattice(3, seed=7), Borrowed, "baker"),
        "net": (qmcpy.DigitalNetB2(3, seed=7), BorrowedNet, None),
    }


@pytest.mark.parametrize("name", ["lattice", "net"])
@pytest.mark.parametrize("error", [1e-2, 2e-3])
def test_guaranteed_rule_equals_qmcpy(name, error):
    source, borrow, change = sources()[name]
    integrand = qmcpy.Keister(source)
    theirs = qmcpy.CubQMCLatticeG if name == "lattice" else qmcpy.CubQMCNetG
    solution, data = theirs(integrand, abs_tol=error, check_cone=True).integrate()
    found = integrate(
        lambda x: torch.from_numpy(np.atleast_1d(integrand.f(x.numpy())).reshape(-1)),
        3, points=borrow(source), rule="guaranteed", absolute_error=error, periodisation=change,
    )  # fmt: skip
    assert found.n == data.n_total
    assert float(found.value) == pytest.approx(float(solution), rel=1e-10)
    half = float(data.comb_bound_high - data.comb_bound_low) / 2
    assert float(found.error_bound) == pytest.approx(half, rel=1e-8)


def smooth_and_periodic(x):
    h = np.arange(1, 40)
    waves = np.cos(2 * np.pi * h * x[..., None] + h**2) / h**2.5
    return (1 + 0.04 * waves.sum(-1)).prod(-1)


def steps(x):
    return (1 + 0.2 * (x > 0.3) + 0.1 * (x > 0.71)).prod(-1)


@pytest.mark.parametrize("name", ["lattice", "net"])
def test_bayes_rule_equals_qmcpy(name):
    """Without a shift: qmcpy takes the kernel of the points, not of their differences."""
    source, borrow, _ = sources()[name]
    for shift in (getattr(source, key) for key in ("shift", "rshift") if hasattr(source, key)):
        shift[:] = 0
    # Their best factors are inside of the range that qmcpy searches.
    f = smooth_and_periodic if name == "lattice" else steps
    theirs = qmcpy.CubQMCBayesLatticeG if name == "lattice" else qmcpy.CubQMCBayesNetG
    integrand = qmcpy.CustomFun(qmcpy.Uniform(source), f)
    change = {"ptransform": "NONE"} if name == "lattice" else {}
    solution, data = theirs(integrand, abs_tol=1e-1, n_init=2**10, **change).integrate()
    found = integrate(
        lambda x: torch.from_numpy(f(x.numpy())), 3, points=borrow(source),
        rule=BayesRule(first=2**10), absolute_error=1e-1, periodisation=None,
    )  # fmt: skip
    assert found.n == data.n_total == 2**10
    assert float(found.value) == pytest.approx(float(solution), rel=1e-10)
    half = float(data.comb_bound_high - data.comb_bound_low) / 2
    assert float(found.error_bound) == pytest.approx(half, rel=0.02)  # both search to 0.01


@pytest.mark.parametrize(
    ("points", "estimate"),
    [(Lattice, "likelihood"), (Lattice, "full"), (DigitalNet, "cross-validation")],
)
def test_bayes_bound_is_that_of_dense_algebra(points, estimate):
    """At the best of a grid of factors, by the inverse of the matrix of all pairs."""
    n, d = 32, 2
    family = ShiftInvariant if points is Lattice else DigitallyShiftInvariant
    x = points(d, generator=generator(1)).points(n)
    y, one = gaussian(x), torch.ones(n, dtype=F64)
    law = scipy.stats.t(n - 1) if estimate == "full" else scipy.stats.norm
    quantile = law.ppf(0.995)
    losses, bounds = [], []
    for factor in np.exp(np.linspace(-10, 2, 151)):
        C = family(d, 1, float(factor))(x).dense()
        P = torch.linalg.inv(C)
        total = float(one @ P @ one)
        r = y - (one @ P @ y) / total
        if estimate == "cross-validation":
            energy, trace = float(r @ P @ P @ r), float(P.trace())
            losses.append(math.log(energy) - 2 * math.log(trace))
            variance = (1 - total) * energy / trace
        else:
            energy = float(r @ P @ r)
            losses.append(float(torch.logdet(C)) + n * math.log(energy))
            variance = (1 - total) * energy / n
        if estimate == "full":
            variance = (1 / total - 1) * energy / (n - 1)
        bounds.append(quantile * math.sqrt(variance))
    found = integrate(
        gaussian, d, points=points(d, generator=generator(1)), absolute_error=1.0,
        periodisation=None, rule=BayesRule(family(d, 1), estimate, first=n),
    )  # fmt: skip
    # The grid has steps of 0.08, and the bound is about as steep in the factor as its root.
    assert float(found.error_bound) == pytest.approx(bounds[int(np.argmin(losses))], rel=0.03)


@pytest.mark.parametrize("name", CHANGES)
def test_changes_of_variables(name):
    moved, slope = CHANGES[name](torch.linspace(0, 1, 9, dtype=F64, requires_grad=True))
    assert float(moved.detach()[0]) == pytest.approx(0, abs=1e-15)
    g = periodised(lambda x: x[:, 0].exp(), name)
    integral, _ = scipy.integrate.quad(
        lambda u: float(g(torch.tensor([[u]], dtype=F64))), 0, 1, epsabs=1e-11, points=[0.5]
    )
    assert integral == pytest.approx(math.e - 1, abs=1e-9)
    ends = g(torch.tensor([[0.0], [1.0]], dtype=F64))
    assert float(ends[0] - ends[1]) == pytest.approx(0, abs=1e-12)
    if slope is not None:
        x = torch.linspace(0.05, 0.9, 7, dtype=F64, requires_grad=True)
        moved, slope = CHANGES[name](x)
        derivative = torch.autograd.grad(moved.sum(), x)[0]
        torch.testing.assert_close(derivative, slope.detach())


def test_says_when_it_did_not_converge():
    with pytest.warns(ConvergenceWarning, match="stopped after 3840 points with an error bound"):
        found = integrate(gaussian, 2, absolute_error=1e-12, max_points=4000, generator=generator())
    assert not found.converged
    assert found.n == 3840


def test_says_when_the_cone_is_left():
    """Waves that at first look like slow ones, and with more points go from there."""

    def f(x):
        waves = [(2 * math.pi * (8192 + k) * x[:, 0]).cos() for k in range(32, 64)]
        return (x[:, 0] > 0.3).double() + 0.05 * sum(waves)

    lattice = Lattice(1, generating_vector=[1], generator=generator())
    with pytest.warns(ConvergenceWarning) as caught:
        found = integrate(
            f, 1, points=lattice, rule="guaranteed", absolute_error=1e-9, periodisation=None,
            max_points=1 << 14,
        )  # fmt: skip
    said = [str(warning.message) for warning in caught]
    assert any("stopped after 16384 points" in message for message in said)
    assert any("not in the cone" in message for message in said)
    assert "the cone is left" in found.explain


def test_progress_and_evaluations():
    seen, calls = [], []

    def f(x):
        calls.append(len(x))
        return gaussian(x)

    found = integrate(
        f, 2, rule="guaranteed", absolute_error=1e-7, generator=generator(), progress=seen.append
    )
    assert sum(calls) == found.n == seen[-1]["points"]  # no point is evaluated twice
    assert [record["iteration"] for record in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["error_bound"] == float(found.error_bound)


def test_constant_integrand():
    for rule in ("replications", "guaranteed", "bayes"):
        found = integrate(lambda x: 0 * x[:, 0] + 3, 2, rule=rule, absolute_error=1e-9)
        assert float(found.value) == pytest.approx(3, abs=1e-12)
        assert found.converged


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"absolute_error": -1.0}, "absolute_error must be finite and at least 0, got -1"),
        ({"absolute_error": 0.0}, "must not both be 0"),
        ({"rule": "simpson"}, "rule must be one of replications, guaranteed, bayes"),
        ({"confidence": 1.0}, "confidence must be above 0 and below 1, got 1"),
        ({"periodisation": "tent"}, "periodisation must be one of baker"),
        ({"max_points": 100}, "max_points must be at least 3840 for this rule, got 100"),
        ({"points": DigitalNet(2)}, "points must have two or more replications"),
        ({"points": DigitalNet(3, replications=2)}, "points must have dimension 2, got 3"),
        (
            {"points": DigitalNet(2, replications=2), "generator": generator()},
            "generator must be None where points are given",
        ),
        (
            {"points": DigitalNet(2, randomisation=None), "rule": "guaranteed"},
            "points must be shifted or scrambled by matrices for the ConeRule",
        ),
        (
            {"rule": BayesRule(ShiftInvariant(2)), "points": DigitalNet(2)},
            "kernel must be DigitallyShiftInvariant on a DigitalNet",
        ),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        integrate(gaussian, 2, **{"absolute_error": 1e-2, **arguments})


def test_refuses_bad_integrands():
    with pytest.raises(ValueError, match=r"f must return a tensor of shape \(3840, \*out\)"):
        integrate(lambda x: x.sum(), 2, absolute_error=1e-2)
    with pytest.raises(ValueError, match="the integrand has infinity"):
        integrate(lambda x: 1 / (x[:, 0] * 0), 2, absolute_error=1e-2)
    with pytest.raises(ValueError, match="first must be a power of two, got 300"):
        ConeRule(first=300)
    with pytest.raises(ValueError, match="estimate must be one of"):
        BayesRule(estimate="map")
    with pytest.raises(ValueError, match="kernel must have the scale 1"):
        BayesRule(ShiftInvariant(2, scale=2.0))
