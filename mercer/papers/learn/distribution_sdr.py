"""Nonlinear sufficient dimension reduction between distributions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from mercer.learn.reduction import (
    GeneralisedSlicedInverseRegression,
    bic_order,
    distance_correlation,
    quantile_embedding,
    rank_correlation,
    sliced_embedding,
)
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

DENSITIES = "On the line it is closer to the truth than with the L2 distance of densities."
LINEAR = "It is closer to the truth than linear predictors of the embedded distributions."
CANONICAL = "It is closer to the truth than canonical variates of kernel principal components."
MORE_DATA = "Twice the rows bring the predictors closer to the truth."
ORDER = "The criterion of BIC's type finds the number of predictors in most samples."
REAL = "On real distributions its predictor tells more of the response than canonical variates."

PAPER = Paper(
    slug="distribution-sdr",
    folder="learn",
    title="Nonlinear Sufficient Dimension Reduction for Distribution-on-Distribution Regression",
    url="https://arxiv.org/abs/2207.04613",
    authors="Qi Zhang, Bing Li, Lingzhou Xue",
    year=2024,
    summary=(
        "Universal kernels of the Wasserstein distance, and in several dimensions of the sliced "
        "one, make a Hilbert space of functions of a distribution. Generalised sliced inverse "
        "regression finds those that the distribution of the response depends on."
    ),
    parts=(
        "mercer.learn.reduction.GeneralisedSlicedInverseRegression",
        "mercer.learn.reduction.quantile_embedding",
        "mercer.learn.reduction.sliced_embedding",
        "mercer.learn.reduction.rank_correlation",
    ),
    claims=(DENSITIES, LINEAR, CANONICAL, MORE_DATA, ORDER, REAL),
)

NOTE = (
    "RV: coefficient of the multivariate ranks of estimated and true predictors on as many new "
    "rows, with the true number of them; GSIR 1 and 2 take A = I and the inverse of the response's "
    "operator. Models, regularisation, bandwidth and criterion are those of the authors' programs; "
    "the figures of the publication's tables were not at hand. Generalised cross-validation counts "
    "the mean in the trace, as centred Gram matrices need. Distances of normal laws in the plane "
    "are exact here; the programs square the sum of the differences of means. The publication's "
    "mortality and Calgary data are not installed: real are the hours of days at JFK in 2013 "
    "(temperature, humidity, pressure, wind) with those of the next day (the first two)."
)
METHODS = ("GSIR 1", "GSIR 2", "densities", "linear", "kPCA + CCA")


class Row(NamedTuple):
    """Means over repetitions: RV by method (NaN where it does not apply)."""

    model: str
    n: int
    gsir: float
    gsir_inverse: float
    densities: float
    linear: float
    canonical: float
    distance: float
    ordered: float


class Real(NamedTuple):
    """Distance correlations with the next day on held-out days, and the last split's points."""

    gsir: float
    linear: float
    canonical: float
    predictor: np.ndarray
    temperature: np.ndarray
    humidity: np.ndarray


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes 100 repetitions of samples of size 100, as published.
    seed : int
        Of the data.

    Returns
    -------
    Result
    """
    from mercer.papers.learn._distribution_models import models

    repeats, m = (4, 50) if scale == "quick" else (100, 100)
    rows = [_row(model, n, m, repeats, seed) for model in models() for n in (100, 200)]
    real = _real(repeats, seed)
    small = [row for row in rows if row.n == 100]
    gain = np.mean([b.gsir - a.gsir for a, b in zip(rows[::2], rows[1::2])])
    claims = (
        _closer(DENSITIES, [r.gsir - r.densities for r in rows if r.densities == r.densities]),
        _closer(LINEAR, [r.gsir - r.linear for r in rows]),
        _closer(CANONICAL, [r.gsir - r.canonical for r in rows]),
        Claim.at_least(
            MORE_DATA,
            paper="closer",
            measured=gain,
            bound=0.0,
            unit="more RV with 200 rows than with 100, mean over models",
            if_not="The size of the samples, not the number of rows, limits it.",
        ),
        Claim.at_least(
            ORDER,
            paper="most",
            measured=min(row.ordered for row in rows if row.n == 200),
            bound=0.5,
            unit="of samples of 200 rows, on the worst model",
            if_not=(
                "Of two predictors it finds one: both are distances of the same law, which depend "
                "on each other, so that the second eigenvalue is less than the penalty."
            ),
        ),
        Claim.at_least(
            REAL,
            paper="interpretable, no figure",
            measured=real.gsir - real.canonical,
            bound=0.0,
            unit="more distance correlation with the next day, on held-out days",
            if_not="The dependence is nearly linear in the quantiles.",
        ),
    )
    weather = (
        "JFK, next day (distance corr.)",
        167,
        real.gsir,
        "",
        "",
        real.linear,
        real.canonical,
    )
    extra = ("distance corr.", "order found")
    return Result(
        claims=claims,
        columns=("model", "rows", *(f"RV {name}" for name in METHODS), *extra),
        rows=(*(tuple(_cell(c) for c in row) for row in rows), (*weather, "", "")),
        draw=lambda figure: _draw(figure, small, real),
        note=NOTE,
    )


def _cell(value: Any) -> Any:
    return "" if value != value else value


def _closer(text: str, gains: list[float]) -> Claim:
    return Claim.at_least(
        text,
        paper="outperforms",
        measured=np.mean(gains),
        bound=0.0,
        unit="more RV, mean over models",
        if_not="With so few rows the competitor's fewer degrees of freedom win.",
    )


def _row(model: Any, n: int, m: int, repeats: int, seed: int) -> Row:
    rng = np.random.default_rng((seed, n))
    measured = np.mean([_measure(model, n, m, rng) for _ in range(repeats)], axis=0)
    return Row(model.name, n, *measured.tolist())


def _measure(model: Any, n: int, m: int, rng: np.random.Generator) -> list[float]:
    """One sample: RV of each method, distance correlation of the first, whether order is right."""
    from mercer.papers.learn import _distribution_rivals as rivals

    pairs = model.draw(2 * n, m, rng)
    embed = quantile_embedding if model.line else sliced_embedding
    X, Y = embed(pairs.X).numpy(), embed(pairs.Y).numpy()
    train, test, order = (X[:n], Y[:n]), X[n:], model.order
    predictors = [
        GeneralisedSlicedInverseRegression(components=order, weight=weight).fit(*train)
        for weight in ("identity", "inverse")
    ]
    found = [predictor.transform(test) for predictor in predictors]
    if model.line:
        found.append(rivals.by_densities(pairs.X[:n], pairs.Y[:n], pairs.X[n:], order))
    else:
        found.append(None)
    found.append(rivals.weighted_inverse_regression(*train, test, order))
    found.append(rivals.canonical_components(*train, test, order))
    truth = torch.from_numpy(pairs.truth[n:])
    scores = [float("nan") if Z is None else float(rank_correlation(_f(Z), truth)) for Z in found]
    right = bic_order(predictors[0].eigenvalues_, n) == order
    return [*scores, float(distance_correlation(_f(found[0]), truth)), float(right)]


def _real(repeats: int, seed: int) -> Real:
    """Half of the days to fit, half to measure, with one predictor for each method."""
    from mercer.papers.learn import _distribution_rivals as rivals
    from mercer.papers.learn._distribution_models import days

    pairs = days()
    X, Y = sliced_embedding(pairs.X).numpy(), sliced_embedding(pairs.Y).numpy()
    rng = np.random.default_rng(seed)
    figures = []
    for _ in range(repeats):
        train, test = np.array_split(rng.permutation(len(X)), 2)
        model = GeneralisedSlicedInverseRegression(components=1).fit(X[train], Y[train])
        Z = model.transform(X[test])
        others = (rivals.weighted_inverse_regression, rivals.canonical_components)
        found = [Z, *(other(X[train], Y[train], X[test], 1) for other in others)]
        figures.append([float(distance_correlation(_f(z), _f(Y[test]))) for z in found])
    mean = pairs.Y[test].mean(axis=1)  # [days, 2]
    return Real(*np.mean(figures, axis=0).tolist(), Z[:, 0], mean[:, 0], mean[:, 1])


def _f(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _draw(figure: Any, rows: list[Row], real: Real) -> None:
    """RV by method and model; the real predictor against the next day's temperature."""
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
    place = np.arange(len(rows))
    for k, name in enumerate(METHODS):
        left.barh(place + 0.16 * (k - 2), [row[2 + k] for row in rows], 0.15, label=name)
    left.set_yticks(place, [row.model.replace(", ", ",\n") for row in rows], fontsize=8)
    left.invert_yaxis()
    left.set(xlim=(0, 1), xlabel="RV with the true predictors")
    left.legend(fontsize=7, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    points = right.scatter(real.predictor, real.temperature, c=real.humidity, s=12, cmap="viridis")
    right.set(xlabel="predictor of a held-out day", ylabel="temperature of the next (standardised)")
    figure.colorbar(points, ax=right, label="its humidity (standardised)")
