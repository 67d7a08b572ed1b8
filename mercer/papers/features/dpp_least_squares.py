"""Least squares at random points: determinantal processes, volume sampling, repetitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer.features.sampling import (
    Design,
    KernelSpace,
    PolynomialSpace,
    Projection,
    Space,
    WeightedLeastSquares,
    sample_design,
    stable_size,
    subsample,
)
from mercer.kernels import Matern
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

UNBIASED = "Least squares on a volume-rescaled sample is unbiased, whatever law it is rescaled for."
VOLUME = "With n = 4 m log m volume-rescaled points the quasi-optimality constant does not grow."
REPEATED = "Conditioned repetitions of the determinantal process keep the bound of i.i.d. points."
FEWER = "Repetitions are as stable as i.i.d. points or volume sampling with far fewer points."
ALMOST_SURE = "In a kernel's Hilbert space the error is almost surely bounded by the best error."

PAPER = Paper(
    slug="dpp-least-squares",
    folder="features",
    title=(
        "Weighted least-squares approximation with determinantal point processes and generalized "
        "volume sampling"
    ),
    url="https://arxiv.org/abs/2312.14057",
    authors="Anthony Nouy, Bertrand Michel",
    year=2023,
    summary=(
        "A function is approximated in an m-dimensional space from its values at random points. "
        "Points of a projection determinantal process repel each other in the space's features; "
        "volume-rescaled sampling adds independent points to them, and independent repetitions of "
        "them give a stable problem with few evaluations."
    ),
    parts=(
        "mercer.features.sampling.PolynomialSpace",
        "mercer.features.sampling.KernelSpace",
        "mercer.features.sampling.sample_design",
        "mercer.features.sampling.WeightedLeastSquares",
        "mercer.features.sampling.stable_size",
        "mercer.features.sampling.subsample",
    ),
    claims=(UNBIASED, VOLUME, REPEATED, FEWER, ALMOST_SURE),
)

NOTE = (
    "Constant: mean over designs of the squared L^2 error over the least one, for 1 / (1 + 25 x^2),"
    " exp x and |x| in Legendre polynomials on [-1, 1] ('-': the least error is rounding). Stable: "
    "share of designs with |G - I| at most 1/2; conditioned designs are drawn until they are. "
    "Subsampled: repetitions from which points are removed greedily as long as they are stable. "
    "With fewer than m + 2 determinantal or volume-rescaled points the constant has an infinite "
    "variance (its mean is m + 1 at n = m) and the row shows one sample of it. The body of the "
    "publication was not at hand: statements are the abstract's, and the bound of the third claim, "
    "1 + 4 m / (n P(stable)), is derived from the process's negative correlation."
)

CONDITION = 0.5
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "Runge": lambda x: 1 / (1 + 25 * x[..., 0].square()),
    "exp": lambda x: x[..., 0].exp(),
    "|x|": lambda x: x[..., 0].abs(),
}
ROUGH = (FUNCTIONS["Runge"], FUNCTIONS["|x|"])  # the error is above rounding for all m
# The share of the optimal measure, and the block for m and n.
KINDS: dict[str, tuple[float, Callable[[int, int], int | None]]] = {
    "i.i.d. from mu": (0.0, lambda m, n: None),
    "i.i.d. optimal": (1.0, lambda m, n: None),
    "volume-rescaled": (1.0, lambda m, n: n),
    "repeated DPP": (1.0, lambda m, n: m),
}
CONDITIONED = ("i.i.d. optimal", "repeated DPP")


class Row(NamedTuple):
    """A kind of design of one size."""

    design: str
    m: int
    n: int
    stable: float
    constants: tuple[float, ...]  # of each function; NaN where the best error is rounding


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` goes to m = 40, with more designs.
    seed : int
        Of all points.

    Returns
    -------
    Result
    """
    quick = scale == "quick"
    g = torch.Generator().manual_seed(seed)
    sizes, draws = ((5, 10, 20), 100) if quick else ((5, 10, 20, 40), 1000)
    rows = [row for m in sizes for row in _rows(m, draws, g)]
    claims = (
        _unbiased(2000 if quick else 30_000, g),
        _volume(sizes, draws, g),
        _repeated(rows),
        _fewer(*((10, 4, 100) if quick else (20, 7, 400)), g),
        _almost_sure(draws, g),
    )
    return Result(
        claims=claims,
        columns=("design", "m", "n", "stable %", *(f"constant, {name}" for name in FUNCTIONS)),
        rows=tuple(
            (r.design, r.m, r.n, 100 * r.stable, *("-" if c != c else c for c in r.constants))
            for r in rows
        ),
        draw=lambda figure: _draw(figure, rows),
        note=NOTE,
    )


def _rows(m: int, draws: int, g: torch.Generator) -> list[Row]:
    """All kinds of designs of ``m`` to ``16 m`` points."""
    space = PolynomialSpace(m - 1)
    best = {name: space.project(f) for name, f in FUNCTIONS.items()}
    rows: list[Row] = []
    for name, (share, block) in KINDS.items():
        for n in (m, 2 * m, 4 * m, 8 * m, 16 * m):
            options = {"block": block(m, n), "share": share, "draws": draws}
            design = sample_design(space, n, g, **options)
            rows.append(_row(name, space, design, best))
            if name in CONDITIONED and rows[-1].stable >= 0.1:
                accepted = sample_design(space, n, g, condition=CONDITION, **options)
                rows.append(_row(f"{name}, conditioned", space, accepted, best))
    start = [sample_design(space, 4 * m, g, block=m, condition=CONDITION) for _ in range(10)]
    thinned = [_row("repeated DPP, subsampled", space, subsample(space, d), best) for d in start]
    means = torch.tensor([row.constants for row in thinned]).mean(0).tolist()
    n = round(sum(row.n for row in thinned) / 10)
    return [*rows, Row("repeated DPP, subsampled", m, n, 1.0, tuple(means))]


def _row(name: str, space: Space, design: Design, best: dict[str, Projection]) -> Row:
    model = WeightedLeastSquares(space, design)
    stable = design.acceptance
    if "," not in name:
        stable = float((model.deviation <= CONDITION).double().mean())
    constants = []
    for function, projection in best.items():
        found = float(model.fit(FUNCTIONS[function]).quasi_optimality(projection).mean())
        rounding = projection.squared_error < 1e-24 * projection.coefficients.square().sum()
        constants.append(math.nan if rounding else found)
    return Row(name, space.dimension, design.n, stable, tuple(constants))


def _unbiased(draws: int, g: torch.Generator) -> Claim:
    """The mean coefficients' distance from those of the projection, in standard errors."""
    space, n = PolynomialSpace(4), 8

    def worst(share: float, block: int | None) -> float:
        design = sample_design(space, n, g, block=block, share=share, draws=draws)
        model, found = WeightedLeastSquares(space, design), 0.0
        for f in ROUGH:
            c = model.fit(f).coefficients_  # [draws, m]
            error = (c.mean(0) - space.project(f).coefficients).abs()
            found = max(found, float((error / c.std(0)).max()) * math.sqrt(draws))
        return found

    return Claim.at_most(
        UNBIASED,
        paper="exact in the mean",
        measured=max(worst(share, n) for share in (0.0, 0.5, 1.0)),
        bound=5.0,
        unit=(
            f"standard errors, the largest of 30 means of {draws} (i.i.d. points: "
            f"{worst(0.0, None):.1f} from mu, {worst(1.0, None):.1f} optimal)"
        ),
        if_not="A mean of draws is away from the projection.",
    )


def _volume(sizes: tuple[int, ...], draws: int, g: torch.Generator) -> Claim:
    """The constant of the worse function at the largest ``m`` over that at the smallest."""
    constants = []
    for m in sizes:
        space, n = PolynomialSpace(m - 1), math.ceil(4 * m * math.log(m))
        model = WeightedLeastSquares(space, sample_design(space, n, g, block=n, draws=draws))
        found = [model.fit(f).quasi_optimality(space.project(f)).mean() for f in ROUGH]
        constants.append(float(max(found)))
    return Claim.at_most(
        VOLUME,
        paper="bounded",
        measured=constants[-1] / constants[0],
        bound=1.0,
        unit=(
            f"is the constant at m = {sizes[-1]} over that at m = {sizes[0]}, the worse of Runge "
            f"and |x|; the largest is {max(constants):.2f}"
        ),
        if_not="The constant grows with m.",
    )


def _repeated(rows: list[Row]) -> Claim:
    """Excess of the constant over what conditioning and the covariance of the process allow."""
    excess = [
        (c - 1) / ((1 - CONDITION) ** -2 * row.m / (row.n * row.stable))
        for row in rows
        for c in row.constants
        if row.design == "repeated DPP, conditioned" and c == c
    ]
    return Claim.at_most(
        REPEATED,
        paper=1.0,
        measured=max(excess),
        bound=1.0,
        unit="of the bound's excess over one, worst function, m and n",
        if_not="The points' covariance is not what the determinantal process has.",
    )


def _fewer(m: int, degree: int, draws: int, g: torch.Generator) -> Claim:
    """Points at which half of the designs are stable, over those of the others."""
    spaces = {
        "Legendre": PolynomialSpace(m - 1),
        "Hermite": PolynomialSpace(m - 1, measure="gaussian"),
        "hyperbolic cross": PolynomialSpace(degree, dimension=2, kind="hyperbolic"),
        "Matern": KernelSpace(Matern(nu=1.5, lengthscale=0.5), m, panels=8),
    }
    ratios = {}
    for name, space in spaces.items():
        rules = (lambda n: None, lambda n: n, lambda n, m=space.dimension: m)
        points = [stable_size(space, g, block=rule, draws=draws) for rule in rules]
        ratios[name] = points[-1] / min(points[:-1])
    worst = max(ratios, key=lambda name: ratios[name])
    return Claim.at_most(
        FEWER,
        paper="much fewer",
        measured=ratios[worst],
        bound=0.5,
        unit=(
            f"of the points (m = {m}: {worst}, the worst of "
            + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
            + ")"
        ),
        if_not="In two dimensions the points repel each other less, and the gain is smaller.",
    )


def _almost_sure(draws: int, g: torch.Generator) -> Claim:
    """The error over ``(1 + 2) |f - v|_H``: blocks of 2 m points have w <= 2, and k(x, x) = 1."""
    kernel, m = Matern(nu=1.5, lengthscale=0.5), 10
    space = KernelSpace(kernel, m)
    z = 2 * torch.rand(6, 1, generator=g, dtype=torch.float64) - 1
    a = torch.randn(6, generator=g, dtype=torch.float64)
    b = space(z).mT @ a  # <f, phi_i>_H of f = sum_j a_j k(., z_j)
    best = (a @ (kernel(z, z) @ a) - b @ torch.linalg.solve(space.rkhs_gram(), b)).sqrt()
    options = {"block": 2 * m, "share": 0.0, "condition": CONDITION, "draws": draws}
    model = WeightedLeastSquares(space, sample_design(space, 16 * m, g, **options))
    model.fit(lambda X: kernel(X, z) @ a)
    error = model.squared_error(space.project(lambda X: kernel(X, z) @ a)).sqrt()
    realised = error / ((1 + model.bound(kernel)) * best)
    return Claim.at_most(
        ALMOST_SURE,
        paper=1.0,
        measured=float((error / (3 * best)).max()),
        bound=1.0,
        unit=(
            f"of the bound, the largest of {draws} designs "
            f"({float(realised.max()):.2g} of the bound for the points drawn)"
        ),
        if_not="The Gram matrix or the weights are not as the bound has them.",
    )


def _draw(figure: Any, rows: list[Row]) -> None:
    """Stability, and the constant for |x|, against the points per dimension."""
    m = max(row.m for row in rows)
    left, right = figure.subplots(1, 2)
    for k, name in enumerate(KINDS):
        kind = [row for row in rows if row.design == name and row.m == m]
        ratio = [row.n / m for row in kind]
        left.plot(ratio, [100 * row.stable for row in kind], "o-", color=f"C{k}", label=name)
        right.plot(ratio, [row.constants[-1] - 1 for row in kind], "o-", color=f"C{k}")
    right.plot([2, 16], [1 / 2, 1 / 16], "k--", label="m / n")
    left.set(ylabel="stable designs, %", title=f"m = {m}")
    right.set(yscale="log", ylim=(0.02, 1e4), ylabel="constant - 1", title=f"|x|, m = {m}")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
        axes.set_xlabel("points / m")
        axes.grid(True, alpha=0.3)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
