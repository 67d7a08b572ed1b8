"""QMCPy: low-discrepancy points, fast kernel methods on them, and cubature to an error."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import torch
from torch import Tensor

from mercer.features.cubature import integrate
from mercer.features.gram import gram
from mercer.features.points import DigitalNet, Halton, Lattice, PointSet
from mercer.kernels import DigitallyShiftInvariant, ShiftInvariant
from mercer.linalg import solve
from mercer.linalg.solution import ConvergenceWarning
from mercer.operators import Identity, bit_reversed_fft, bit_reversed_ifft, walsh_hadamard
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.features._qmcpy_records import Curve, Timing, Trial, draw
from mercer.papers.result import Result

FIRST_ORDER = "Randomised lattices, nets and Halton points integrate with error of order n^-1."
SCRAMBLED = "Nested uniform scrambling of a net brings a smooth integrand to order n^-3/2."
HIGHER = "Scrambled nets of order 2 bring a smooth integrand to order n^-5/2."
NEARLY_LINEAR = "Solving with a Gram matrix on a lattice or net costs O(n log n), not n^3."
AGREE = "Kernels, transforms and fast solves are those of the qmcpy package, to rounding."
STOPS = "Adaptive cubature ends within the error that was asked for, by all three rules."

PAPER = Paper(
    slug="qmcpy",
    folder="features",
    title=(
        "QMCPy: A Python Software for Randomized Low-Discrepancy Sequences, Quasi-Monte Carlo, "
        "and Fast Kernel Methods"
    ),
    url="https://arxiv.org/abs/2502.14256",
    authors="Aleksei G. Sorokin",
    year=2025,
    summary=(
        "Lattices, digital nets in base 2, also of higher order, and Halton points, with shifts, "
        "linear matrix and nested uniform scrambling; shift-invariant and digitally "
        "shift-invariant kernels up to smoothness 4, whose Gram matrices on lattices and nets are "
        "diagonalised by fast transforms; cubature that stops at a requested error."
    ),
    parts=(
        "mercer.features.points.Lattice",
        "mercer.features.points.DigitalNet",
        "mercer.features.points.Halton",
        "mercer.features.gram.gram",
        "mercer.features.cubature.integrate",
        "mercer.kernels.ShiftInvariant",
        "mercer.kernels.DigitallyShiftInvariant",
        "mercer.operators.Walsh",
        "mercer.operators.Circulant",
    ),
    claims=(FIRST_ORDER, SCRAMBLED, HIGHER, NEARLY_LINEAR, AGREE, STOPS),
)

NOTE = (
    "Convergence: exp(x1 + x2) on the unit square, root mean square over independent "
    "randomisations; slopes are least-squares fits in logarithms over the upper half of the sizes, "
    "before rounding is reached. Times: (K + 1e-3 I) x = b from the kernel and the points, one "
    "thread, the fastest of three. Cubature: exp(-|x|^2) in three dimensions, whose integral is a "
    "power of an error function, and a product of |4 x - 2|, which has kinks; share of runs whose "
    "true error is within the request. The body of the publication was not "
    "at hand: the paper's column has the orders of the theory."
)

KINDS: dict[str, tuple[type[PointSet], dict[str, Any], float]] = {
    "lattice, shift": (Lattice, {}, -1.0),
    "Halton, permutation": (Halton, {}, -1.0),
    "net, digital shift": (DigitalNet, {"randomisation": "digital shift"}, -1.0),
    "net, nested scrambling": (DigitalNet, {"randomisation": "nested uniform scrambling"}, -1.5),
    "net of order 2, nested": (
        DigitalNet,
        {"alpha": 2, "randomisation": "nested uniform scrambling"},
        -2.5,
    ),
}


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes ``2^18`` points, systems of ``2^20`` and more replications.
    seed : int
        Of the randomisations.

    Returns
    -------
    Result
    """
    quick = scale == "quick"
    curves = [_curve(kind, 12 if quick else 18, 24 if quick else 100, seed) for kind in KINDS]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        timings = _timings(18 if quick else 20, 11 if quick else 13, seed)
    finally:
        torch.set_num_threads(threads)
    trials = _trials(5 if quick else 50, seed)
    slopes = {curve.kind: curve.slope() for curve in curves}
    rows = [
        *(
            ("order of the error", c.kind, c.sizes[-1], c.errors[-1], slopes[c.kind])
            for c in curves
        ),
        *(("solve", t.method, t.n, t.seconds, "") for t in timings),
        *(_summary(trials, rule) for rule in dict.fromkeys(t.rule for t in trials)),
    ]
    return Result(
        claims=(
            _first_order(slopes),
            _order(SCRAMBLED, slopes["net, nested scrambling"], -1.5),
            _order(HIGHER, slopes["net of order 2, nested"], -2.5),
            _nearly_linear(timings),
            _agree(seed),
            _stops(trials),
        ),
        columns=("measured", "of", "n", "error or seconds", "order or share"),
        rows=tuple(rows),
        draw=lambda figure: draw(figure, curves, timings, trials),
        note=NOTE,
    )


# -- the order of the error ----------------------------------------------------------------------


def _curve(kind: str, largest: int, replications: int, seed: int) -> Curve:
    make, options, order = KINDS[kind]
    generator = torch.Generator().manual_seed(seed)
    points: Any = make(2, replications=replications, generator=generator, **options)
    sizes = [1 << m for m in range(3, largest + 1)]
    values = points.points(sizes[-1]).sum(-1).exp()  # [R, n]
    exact = (math.e - 1) ** 2
    errors = [float((values[:, :n].mean(-1) - exact).square().mean().sqrt()) for n in sizes]
    return Curve(kind, sizes, errors, order)


def _first_order(slopes: dict[str, float]) -> Claim:
    return Claim.at_most(
        FIRST_ORDER,
        paper=-1.0,
        measured=max(slopes[kind] for kind, (_, _, order) in KINDS.items() if order == -1.0),
        bound=-0.9,
        unit="the exponent of n, worst of lattice, net and Halton",
        if_not="The logarithms in the bound still show at these sizes.",
    )


def _order(text: str, slope: float, order: float) -> Claim:
    return Claim.at_most(
        text,
        paper=order,
        measured=slope,
        bound=order + 0.15,
        unit="the exponent of n",
        if_not="The logarithms in the bound still show at these sizes, or rounding is near.",
    )


# -- fast kernel methods -------------------------------------------------------------------------


def _timings(largest: int, dense: int, seed: int) -> list[Timing]:
    """Solves from the kernel and the points, fast and by Cholesky of the matrix of all pairs."""
    d, noise, found = 3, 1e-3, []
    net, lattice = DigitalNet(d), Lattice(d)
    digital, real = DigitallyShiftInvariant(d), ShiftInvariant(d)
    for m in range(7, largest + 1):
        n = 1 << m
        b = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        I = noise * Identity(n)
        runs = {
            "net": lambda n=n, b=b, I=I: solve(gram(digital, net, n) + I, b).x,
            "lattice": lambda n=n, b=b, I=I: solve(gram(real, lattice, n) + I, b).x,
        }
        if m <= dense:
            x = net.points(n)
            runs["Cholesky"] = lambda x=x, b=b, I=I: solve(digital(x) + I, b, method="cholesky").x
        found += [Timing(method, n, _fastest(run)) for method, run in runs.items()]
    return found


def _fastest(run: Any) -> float:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _nearly_linear(timings: list[Timing]) -> Claim:
    """The exponent of the time over the largest factor of 16 in n."""
    exponents = []
    for method in ("net", "lattice"):
        seconds = {t.n: t.seconds for t in timings if t.method == method}
        n = max(seconds)
        exponents.append(math.log(seconds[n] / seconds[n // 16], 16))
    return Claim.at_most(
        NEARLY_LINEAR,
        paper="n log n",
        measured=max(exponents),
        bound=1.3,
        unit="the exponent of n over the last factor of 16, worse of both",
        if_not="Large arrays leave the caches, and memory is slower per entry.",
    )


def _agree(seed: int) -> Claim:
    """The largest relative difference from the package, over kernels, transforms and a solve."""
    import numpy as np
    import qmcpy

    n, d = 256, 3
    lattice, net = qmcpy.Lattice(d, seed=seed), qmcpy.DigitalNetB2(d, seed=seed)
    x, y = lattice(n), net(n)
    b = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    pairs = [
        (walsh_hadamard(b), qmcpy.fwht(b.numpy())),
        (bit_reversed_fft(b), qmcpy.fftbr(b.numpy())),
        (bit_reversed_ifft(b), qmcpy.ifftbr(b.numpy())),
    ]
    ours = Lattice(d, generating_vector=lattice.gen_vec.ravel().astype(np.int64))
    for alpha in (1, 2, 3, 4):
        real = qmcpy.KernelShiftInvar(d, alpha=alpha, lengthscales=1.0)
        column = real(x, x[0])
        K = gram(ShiftInvariant(d, alpha), ours, n)
        pairs.append((K.column, column))
        spectrum = np.sqrt(n) * qmcpy.fftbr(column) + 1.0
        theirs = qmcpy.ifftbr(qmcpy.fftbr(b.numpy()) / spectrum).real
        pairs.append((solve(K + Identity(n), b).x, theirs))
        if alpha < 4:  # qmcpy cuts a sum in the kernel of order 4 at 1e-8
            digital = qmcpy.KernelDigShiftInvar(d, t=53, alpha=alpha, lengthscales=1.0)
            K = DigitallyShiftInvariant(d, alpha)(torch.from_numpy(y))
            pairs.append((K[:, 0], digital(y, y[0])))
    apart = [np.abs(np.asarray(a) - b).max() / np.abs(b).max() for a, b in pairs]
    return Claim.at_most(
        AGREE,
        paper=0.0,
        measured=max(apart),
        bound=1e-10,
        unit="the largest difference beside the largest value",
        if_not="The definitions differ.",
    )


# -- cubature ------------------------------------------------------------------------------------


def _gaussian(x: Tensor) -> Tensor:
    return (-x.square().sum(-1)).exp()


def _kinks(x: Tensor) -> Tensor:
    return (4 * x - 2).abs().prod(-1)


def _trials(seeds: int, seed: int) -> list[Trial]:
    trials = []
    tasks = ((_gaussian, (math.sqrt(math.pi) / 2 * math.erf(1)) ** 3), (_kinks, 1.0))
    for rule in ("replications", "guaranteed", "bayes"):
        for points in (Lattice, DigitalNet):
            for f, exact in tasks:
                for asked in (1e-2, 1e-3, 1e-4):
                    for k in range(seeds):
                        generator = torch.Generator().manual_seed(1000 * seed + k)
                        with warnings.catch_warnings():
                            warnings.simplefilter("ignore", ConvergenceWarning)
                            found = integrate(
                                f, 3, rule=rule, points=points, absolute_error=asked,
                                max_points=1 << 17, generator=generator,
                            )  # fmt: skip
                        error = abs(float(found.value) - exact)
                        trials.append(Trial(rule, points.__name__, asked, error, found.n))
    return trials


def _summary(trials: list[Trial], rule: str) -> tuple[Any, ...]:
    of_rule = [t for t in trials if t.rule == rule]
    share = sum(t.error <= t.asked for t in of_rule) / len(of_rule)
    largest = max(t.evaluations for t in of_rule)
    return ("cubature", rule, largest, max(t.error / t.asked for t in of_rule), share)


def _stops(trials: list[Trial]) -> Claim:
    rules = dict.fromkeys(t.rule for t in trials)
    return Claim.at_least(
        STOPS,
        paper="within the tolerance, with probability 0.99",
        measured=min(_summary(trials, rule)[-1] for rule in rules),
        bound=0.99,
        unit="of the runs, for the worst rule",
        if_not="The credible interval of a Gaussian process does not bind a function with kinks.",
    )
