"""Spectral algorithms: the generalisation error as a functional of the learning profile."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer.learn.spectral import (
    CutOff,
    GeneralisationError,
    GradientFlow,
    IteratedTikhonov,
    Ridge,
    SpectralProfile,
    circle,
    noisy_components,
    simulate_circle,
    simulate_wishart,
    wishart,
)
from mercer.learn.spectral.generalisation_error import Best
from mercer.learn.spectral.simulation import Errors
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

CIRCLE = "On the circle the functional predicts the test error of every profile, noise or not."
WISHART = "With Gaussian features it does so from the resolvent of the Gram matrix."
RATE = "Under noise and kappa < 2 nu, ridge and gradient flow both reach N^-kappa/(kappa+1)."
SATURATION = "For kappa > 2 nu ridge saturates at N^-2nu/(2nu+1); gradient flow goes on."
SCALE = "The loss of an optimal algorithm sits at the scale lambda = N^-nu/(kappa+1)."
SATURATED = "The bias of a saturated ridge sits at the largest eigenvalues instead, lambda = N^0."
UNIVERSAL = "Under noise all models come to one loss; without noise they do not."
OVERLEARNING = "Without noise the optimal profile exceeds 1 from kappa = nu - 1 on."

PAPER = Paper(
    slug="spectral-algorithms",
    folder="learn",
    title="Generalization error of spectral algorithms",
    url="https://arxiv.org/abs/2403.11696",
    authors="Maksim Velikanov, Maxim Panov, Dmitry Yarotsky",
    year=2024,
    summary=(
        "Ridge regression, gradient descent and their kin are functions of the kernel matrix, each "
        "given by a profile h: the share that is learnt of the component with eigenvalue lambda. "
        "The expected test error is a quadratic functional of h, exact on the circle and in closed "
        "form for Gaussian features, from which rates, saturation and optimal profiles follow."
    ),
    parts=(
        "mercer.learn.spectral.spectral_filter",
        "mercer.learn.spectral.circle",
        "mercer.learn.spectral.wishart",
        "mercer.learn.spectral.noisy_components",
        "mercer.learn.spectral.simulate_circle",
        "mercer.learn.spectral.simulate_wishart",
    ),
    claims=(
        CIRCLE,
        WISHART,
        RATE,
        SATURATION,
        SCALE,
        SATURATED,
        UNIVERSAL,
        OVERLEARNING,
    ),
)

NOTE = (
    "Eigenvalues (l+1)^-nu, squared coefficients (l+1)^-(kappa+1); the error is the mean square "
    "over new points, without the noise of their observation (the publication takes half of it). "
    "The functionals were derived anew: by folding frequencies on the circle, by two-point "
    "resolvents for Gaussian features. Exponents are slopes from N = 2^12 to 2^15 on the circle, "
    "with noise 1, at the best strength of a fine grid for each; simulated errors carry a standard "
    "error of one to two per cent."
)

PROFILES = (Ridge(0.01), GradientFlow(60.0), CutOff(0.03), IteratedTikhonov(0.05, 3))
FAMILIES: dict[str, Callable[[float], SpectralProfile]] = {
    "ridge": Ridge,
    "gradient flow": lambda strength: GradientFlow(1 / strength),
}
MODELS: dict[str, tuple[Callable[..., GeneralisationError], Callable[..., Errors]]] = {
    "circle": (circle, simulate_circle),
    "Wishart": (wishart, simulate_wishart),
}
SIZES = (2**9, 2**12, 2**15)


class Point(NamedTuple):
    """What is predicted and what is simulated."""

    model: str
    noise: float
    profile: str
    predicted: float
    simulated: float


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` simulates larger samples more often.
    seed : int
        Of what is simulated.

    Returns
    -------
    Result
    """
    samples, repeats = (120, 80) if scale == "quick" else (500, 200)
    points = [
        point
        for noise in (0.0, 0.5)
        for name in MODELS
        for point in _compare(name, samples, noise, repeats, seed)
    ]
    easy, smooth = _rates(1.5, 1.5), _rates(1.5, 5.0)
    claims = (
        _predicted(CIRCLE, points, "circle"),
        _predicted(WISHART, points, "Wishart"),
        _rate_claim(easy),
        _saturation_claim(smooth),
        _scale_claim(),
        _saturated_claim(),
        _universal_claim(),
        _overlearning_claim(),
    )
    return Result(
        claims=claims,
        columns=("model", "noise", "profile", "predicted", "simulated"),
        rows=tuple(tuple(point) for point in points),
        draw=lambda figure: _draw(figure, points, smooth),
        note=NOTE,
    )


def power_law(exponent: float, count: int) -> Tensor:
    """``(l + 1)^-exponent`` for ``l < count``."""
    return (torch.arange(count, dtype=torch.float64) + 1) ** -exponent


def _circle(nu: float, kappa: float, samples: int, noise: float = 1.0) -> GeneralisationError:
    count = 3 * samples
    return circle(power_law(nu, count), power_law(kappa + 1, count), samples=samples, noise=noise)


def _compare(name: str, samples: int, noise: float, repeats: int, seed: int) -> list[Point]:
    """Predicted and simulated errors of all profiles; nu = 1.5, kappa = 1."""
    predict, simulate = MODELS[name]
    spectrum, target = power_law(1.5, 5 * samples), power_law(2.0, 5 * samples)
    given = {"samples": samples, "noise": noise}
    generator = torch.Generator().manual_seed(seed)
    drawn = [simulate(spectrum, target, **given, generator=generator) for _ in range(repeats)]
    error = predict(spectrum, target, **given)
    return [
        Point(name, noise, str(h), error(h), sum(one(h) for one in drawn) / repeats)
        for h in PROFILES
    ]


def _predicted(text: str, points: list[Point], model: str) -> Claim:
    ratios = [abs(p.predicted / p.simulated - 1) for p in points if p.model == model]
    return Claim.at_most(
        text,
        paper="equal",
        measured=max(ratios),
        bound=0.05,
        unit="of the simulated error, largest deviation over profiles and noise",
        if_not="More repetitions, or for Gaussian features larger samples, are needed to agree.",
    )


def _best(nu: float, kappa: float, samples: int, family: str) -> Best:
    """The best of a family on the circle, noise 1."""
    strengths = [samples**-e for e in torch.linspace(0.0, nu, 120).tolist()]
    return _circle(nu, kappa, samples).best(FAMILIES[family], strengths)


def _rates(nu: float, kappa: float) -> dict[str, list[float]]:
    """Least errors by family, one a sample size; and what theory says of their exponents."""
    errors = {f: [_best(nu, kappa, n, f).error for n in SIZES] for f in FAMILIES}
    return {**errors, "theory": [kappa / (kappa + 1), 2 * nu / (2 * nu + 1)]}


def _growth(logarithms: list[float]) -> float:
    """The exponent between the two largest sizes."""
    return (logarithms[-1] - logarithms[-2]) / math.log(SIZES[-1] / SIZES[-2])


def _exponent(errors: list[float]) -> float:
    return -_growth([math.log(error) for error in errors])


def _near(text: str, theory: float, measured: float, within: float, unit: str) -> Claim:
    return Claim.between(
        text,
        paper=theory,
        measured=measured,
        low=theory - within,
        high=theory + within,
        unit=unit,
        if_not="The samples are not yet in the asymptotic range.",
    )


def _rate_claim(rates: dict[str, list[float]]) -> Claim:
    theory = rates["theory"][0]
    found = [_exponent(rates[f]) for f in FAMILIES]
    worse = max(found, key=lambda value: abs(value - theory))
    return _near(RATE, theory, worse, 0.03, "exponent, the one farther off; nu = kappa = 1.5")


def _saturation_claim(rates: dict[str, list[float]]) -> Claim:
    whole, capped = rates["theory"]
    ridge, flow = (_exponent(rates[f]) for f in ("ridge", "gradient flow"))
    unit = f"between the exponents {flow:.3f} and {ridge:.3f}; nu = 1.5, kappa = 5"
    return _near(SATURATION, whole - capped, flow - ridge, 0.03, unit)


def _median(part: Tensor, eigenvalues: Tensor) -> float:
    """``-log`` of the eigenvalue that half of a loss lies below."""
    order = eigenvalues.argsort()
    share = part[order].cumsum(0) / part.sum()
    return -float(eigenvalues[order][int((share >= 0.5).nonzero()[0, 0])].log())


def _scale_claim() -> Claim:
    nu, kappa = 1.5, 1.5
    errors = [_circle(nu, kappa, n) for n in SIZES]
    medians = [_median(e.contributions(e.optimal()), e.eigenvalues) for e in errors]
    unit = "exponent of 1/lambda at the median of the loss; nu = kappa = 1.5"
    return _near(SCALE, nu / (kappa + 1), _growth(medians), 0.05, unit)


def _saturated_claim() -> Claim:
    medians = []
    for n in SIZES:
        h = Ridge(_best(1.5, 5.0, n, "ridge").strength)
        bias = _circle(1.5, 5.0, n, noise=0.0)
        medians.append(_median(bias.contributions(h), bias.eigenvalues))
    unit = "exponent of 1/lambda at the median of the bias; nu = 1.5, kappa = 5"
    return _near(SATURATED, 0.0, _growth(medians), 0.05, unit)


def _universal_claim() -> Claim:
    """Log distance of least errors to the common loss, over that of the models without noise."""
    nu, kappa, n = 1.5, 2.0, 250
    spectrum, target = power_law(nu, 3 * n), power_law(kappa + 1, 3 * n)
    twice = [torch.cat([values, values[1:]]) for values in (spectrum, target)]  # l and -l
    components = {"circle": twice, "Wishart": [spectrum, target]}
    strengths = [n**-e for e in torch.linspace(0.1, 1.2, 60).tolist()]
    apart, noiseless = [], []
    for name, (predict, _) in MODELS.items():
        both = (
            predict(spectrum, target, samples=n, noise=1.0),
            noisy_components(*components[name], samples=n, noise=1.0),
        )
        ours, theirs = (e.best(FAMILIES["gradient flow"], strengths).error for e in both)
        apart.append(abs(math.log(ours / theirs)))
        interpolant = predict(spectrum, target, samples=n, noise=0.0)(GradientFlow(1e12))
        # What an oracle that sees n components without noise would miss.
        missed = components[name][1].sort(descending=True).values[n:].sum()
        noiseless.append(math.log(interpolant / float(missed)))
    return Claim.at_most(
        UNIVERSAL,
        paper="to zero",
        measured=max(apart) / abs(noiseless[0] - noiseless[1]),
        bound=0.5,
        unit=(
            "of the log distance between the models without noise, each over its components "
            f"beyond N = {n}"
        ),
        if_not="At this sample size the models have not met yet.",
    )


def _overlearning_claim() -> Claim:
    """Where the optimal profile on the circle passes 1, by bisection in kappa."""
    nu, n = 2.5, 2001
    low, high, count = 0.1, nu + 1, 60 * n
    for _ in range(20):
        kappa = (low + high) / 2
        spectrum, target = power_law(nu, count), power_law(kappa + 1, count)
        error = circle(spectrum, target, samples=n, noise=0.0)
        excess = float(error.optimal()[n // 50] - 1)  # well below the highest frequency
        low, high = (low, kappa) if excess > 0 else (kappa, high)
    unit = "is the kappa where h - 1 changes sign on the circle, nu = 2.5"
    return _near(OVERLEARNING, nu - 1, kappa, 0.2, unit)


def _draw(figure: Any, points: list[Point], smooth: dict[str, list[float]]) -> None:
    """Predicted against simulated errors; saturation; where the loss arises."""
    left, middle, right = figure.subplots(1, 3)
    for k, model in enumerate(MODELS):
        for noise, marker in ((0.0, "o"), (0.5, "^")):
            some = [p for p in points if p.model == model and p.noise == noise]
            xy = [p.simulated for p in some], [p.predicted for p in some]
            label = f"{model}, noise {noise:g}"
            left.plot(*xy, marker, color=f"C{k}", label=label, mfc="none")
    left.axline((0.0, 0.0), slope=1.0, color="grey", lw=0.8)
    left.set(xlabel="simulated error", ylabel="predicted error")
    left.legend(fontsize=7, frameon=False)
    for k, family in enumerate(FAMILIES):
        errors, exponent = smooth[family], smooth["theory"][1 - k]
        line = [errors[-1] * (n / SIZES[-1]) ** -exponent for n in SIZES]
        middle.plot(SIZES, errors, "o-", color=f"C{k}", label=family)
        middle.plot(SIZES, line, "--", color=f"C{k}", label=f"$N^{{-{exponent:.2f}}}$")
    middle.set(xscale="log", yscale="log", xlabel="samples N")
    middle.set(title=r"$\kappa = 5 > 2\nu = 3$", ylabel="least error, circle, noise 1")
    middle.legend(fontsize=7, frameon=False)
    n = SIZES[1]
    for k, kappa in enumerate((1.5, 5.0)):
        strength, error = _best(1.5, kappa, n, "ridge").strength, _circle(1.5, kappa, n)
        scale = -error.eigenvalues.log() / math.log(n)
        part = error.contributions(Ridge(strength))
        mass = torch.histogram(scale.clamp(0, 1.6), 20, range=(0, 1.6), weight=part / part.sum())
        right.stairs(mass.hist, mass.bin_edges, color=f"C{k}", label=f"ridge, kappa = {kappa:g}")
        right.axvline(-math.log(strength) / math.log(n), color=f"C{k}", ls=":")
    right.plot([], [], ":", color="grey", label="regularisation")
    right.set(xlabel="scale $-\\log_N \\lambda$", ylabel="share of the loss")
    right.legend(fontsize=7, frameon=False)
