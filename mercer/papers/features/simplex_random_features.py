"""Simplex Random Features: claims and what mercer measures."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer.features.random.linear_attention import linear_attention
from mercer.features.random.positive import PositiveRandomFeatures
from mercer.features.random.projections import COUPLINGS, gaussian_projections
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

UNBIASED = "Whatever the coupling, positive features are unbiased."
THEORY = "The closed forms of the error are ordered: SimRF < orthogonal < independent."
SIMULATED = "The simulated errors are ordered: SimRF < orthogonal < independent."
PLUS = "SimRF+, whose directions depend on the norms, is no worse than SimRF."
COST = "SimRF costs no observable time beyond that of orthogonal features."
CLASSIFICATION = "Kernel regression on SimRF classifies no worse than on orthogonal features."
ATTENTION = "Attention with SimRF is nearer to softmax attention than with orthogonal features."

PAPER = Paper(
    slug="simplex-random-features",
    folder="features",
    title="Simplex Random Features",
    url="https://arxiv.org/abs/2301.13856",
    authors="Isaac Reid, Krzysztof Choromanski, Valerii Likhosherstov, Adrian Weller",
    year=2023,
    summary=(
        "Random features of the softmax and Gaussian kernels whose projections point to the "
        "corners of a randomly rotated regular simplex. Of positive features no coupling that is "
        "independent of the norms has a smaller mean squared error; SimRF+ depends on them."
    ),
    parts=(
        "mercer.features.random.projections.gaussian_projections",
        "mercer.features.random.conformity.conformity_deficit",
        "mercer.features.random.positive.PositiveRandomFeatures",
        "mercer.features.random.linear_attention.linear_attention",
    ),
    claims=(UNBIASED, THEORY, SIMULATED, PLUS, COST, CLASSIFICATION, ATTENTION),
)

NOTE = (
    "Errors: of the Gaussian kernel at x = y, with d features in d dimensions; all but v = |x + y| "
    "cancels in their ratios. Coupled features share norms and rotations. Classification: each "
    "test point takes the class with the largest sum of kernel values; tables of scikit-learn, "
    "columns standardised; the scale is the best of a grid for independent features on validation "
    "rows. Attention: values are 8 x 8 images of digits, queries and keys the same at unit length. "
    "The closed forms are derived here: of the publication only its opening could be read. "
    "The publication's eight UCI tables and its Transformers trained on images are not repeated. "
    "A simplex is a rotation less the mean of its rows, rescaled: O(d^2) beside the O(d^3) of the "
    "rotation. Rotations are uniform; products of Hadamard matrices, O(d log d) a vector, would be "
    "only nearly so."
)

NAMES = {"orthogonal": "orthogonal", "simplex": "SimRF", "simplex+": "SimRF+"}
DIMENSIONS = (8, 16, 32, 64)
SUMS = (0.5, 1.0, 1.5)  # v
TABLES = ("wine", "breast_cancer", "digits")
PER_DIMENSION = (1, 2, 4, 8)  # features of the classification, times d
SCALES = (0.5, 1.0, 2.0, 4.0)  # lengthscales that are tried, times sqrt(d)


class Point(NamedTuple):
    """Mean squared errors at one ``d`` and ``v``, by coupling."""

    d: int
    v: float
    closed: dict[str, float]
    simulated: dict[str, float]
    bias: float  # the largest of a coupling, in standard errors


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` draws ten times as much.
    seed : int
        Of features and splits.
    """
    more = 1 if scale == "quick" else 10
    points = [point for d in DIMENSIONS for point in _errors(d, more * 100_000 // d, seed)]
    gains = {name: _accuracies(name, 20 * more, seed) for name in TABLES}
    claims = (
        Claim.at_most(
            UNBIASED,
            paper="unbiased",
            measured=max(point.bias for point in points),
            bound=5.0,
            unit="standard errors, the largest of 48 means",
            if_not="The law of a projection is not normal, or its draws are too few.",
        ),
        _ordered(THEORY, [point.closed for point in points]),
        _ordered(SIMULATED, [point.simulated for point in points]),
        _plus(points),
        _cost(40 * more, seed),
        _classifies(gains),
        _attends(10 * more, seed),
    )
    names = list(NAMES.values())
    columns = [f"{name} / it" for name in names[:2]] + [f"{name} / it, simulated" for name in names]
    return Result(
        claims=claims,
        columns=("d", "v", "independent, closed form", *columns),
        rows=tuple(_row(point) for point in points),
        draw=lambda figure: _draw(figure, points, gains),
        note=NOTE,
    )


def _errors(d: int, draws: int, seed: int) -> list[Point]:
    """Closed forms and simulation at all ``v``; a block serves along eight axes."""
    drawn = {c: gaussian_projections(draws * d, d, c, _generator(seed)) for c in COUPLINGS}
    axes = torch.eye(d, dtype=torch.float64)[:8]
    points = []
    for v in SUMS:
        x = v / 2 * axes  # [8, d]
        closed, simulated, bias = {}, {}, 0.0
        for coupling, W in drawn.items():
            if coupling != "simplex+":
                closed[coupling] = float(_features(W[:d], coupling).variance(x[:1]))
            squares = _features(W, coupling)(x).square()  # [8, draws * d], draws of k(x, x) = 1
            errors = draws * squares.unflatten(1, (draws, d)).sum(dim=2) - 1  # [8, draws]
            simulated[coupling] = float(errors.square().mean())
            means = errors.mean(dim=0)
            bias = max(bias, float(means.mean().abs() / means.std()) * math.sqrt(draws))
        points.append(Point(d, v, closed, simulated, bias))
    return points


def _features(W: Tensor, coupling: str) -> PositiveRandomFeatures:
    count, d = W.shape
    return PositiveRandomFeatures(d, count, kernel="gaussian", coupling=coupling, projections=W)


def _row(p: Point) -> tuple[float, ...]:
    closed = (_relative(p.closed, coupling) for coupling in list(NAMES)[:2])
    simulated = (_relative(p.simulated, coupling) for coupling in NAMES)
    return p.d, p.v, p.closed["independent"], *closed, *simulated


def _relative(errors: dict[str, float], coupling: str) -> float:
    return errors[coupling] / errors["independent"]


def _ordered(text: str, errors: list[dict[str, float]]) -> Claim:
    steps = (("orthogonal", "independent"), ("simplex", "orthogonal"))
    return Claim.at_most(
        text,
        paper="below 1",
        measured=max(error[less] / error[more] for error in errors for less, more in steps),
        bound=1.0,
        unit="the largest ratio of two neighbours, d = 8 to 64, v = 0.5 to 1.5",
        if_not="The draws are too few to tell the errors apart, or the coupling is wrong.",
    )


def _plus(points: list[Point]) -> Claim:
    logs = [math.log(p.simulated["simplex+"] / p.simulated["simplex"]) for p in points]
    return Claim.at_most(
        PLUS,
        paper="below 1, optimal in the limit of many dimensions",
        measured=math.exp(sum(logs) / len(logs)),
        bound=1.0,
        unit="of the error of SimRF, geometric mean over d and v",
        if_not="The resultant of a block is the leading term of the error only.",
    )


def _cost(repeats: int, seed: int) -> Claim:
    """Processor time of drawing sixteen blocks in 64 dimensions and taking features of points."""
    d, X = 64, torch.zeros(1000, 64, dtype=torch.float64)
    seconds: dict[str, list[float]] = {"orthogonal": [], "simplex": []}
    for _ in range(repeats):
        for coupling, taken in seconds.items():
            start = time.process_time()
            PositiveRandomFeatures(d, 16 * d, coupling=coupling, generator=_generator(seed))(X)
            taken.append(time.process_time() - start)
    return Claim.at_most(
        COST,
        paper="no observable difference",
        measured=min(seconds["simplex"]) / min(seconds["orthogonal"]),
        bound=1.1,
        unit="of the time of orthogonal features, d = 64",
        if_not="Other work on the machine, or the products with the simplex, take a share.",
    )


def _accuracies(name: str, draws: int, seed: int) -> dict[str, list[float]]:
    """Percentage of test points classified right, by coupling, for each number of features."""
    X, labels = _table(name, seed)
    d, third = X.shape[1], len(X) // 3
    scales = [factor * math.sqrt(d) for factor in SCALES]
    validation, test, train = slice(third), slice(third, 2 * third), slice(2 * third, None)

    one_hot = torch.nn.functional.one_hot(labels).double()

    def mean(rows: slice, scale: float, coupling: str, per_d: int) -> float:
        right = 0.0
        for k in range(draws):
            W = gaussian_projections(per_d * d, d, coupling, _generator(seed + k))
            phi = _features(W, coupling)
            votes = phi.operator(X[rows] / scale, X[train] / scale) @ one_hot[train]
            right += float((votes.argmax(dim=1) == labels[rows]).double().mean())
        return 100 * right / draws

    best = max(scales, key=lambda scale: mean(validation, scale, "independent", 2))
    return {c: [mean(test, best, c, per_d) for per_d in PER_DIMENSION] for c in COUPLINGS[:3]}


def _table(name: str, seed: int) -> tuple[Tensor, Tensor]:
    """Standardised columns ``[n, d]`` without constant ones, and classes; at most 600 rows."""
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X, y = torch.from_numpy(X).double(), torch.from_numpy(y).long()
    order = torch.randperm(len(X), generator=_generator(seed))[:600]
    X, y = X[order], y[order]
    X = X[:, X.std(dim=0) > 0]
    return (X - X.mean(dim=0)) / X.std(dim=0), y


def _classifies(gains: dict[str, dict[str, list[float]]]) -> Claim:
    above = [torch.tensor(by["simplex"]) - torch.tensor(by["orthogonal"]) for by in gains.values()]
    return Claim.at_least(
        CLASSIFICATION,
        paper="above 0 on average over eight tables",
        measured=float(torch.stack(above).mean()),
        bound=0.0,
        unit="percentage points more, mean over tables and numbers of features",
        if_not="On these tables the difference is within the noise of the draws.",
    )


def _attends(draws: int, seed: int) -> Claim:
    """Error of the attention of images of digits to each other, causal and not."""
    V, _ = _table("digits", seed)
    Q = torch.nn.functional.normalize(V, dim=1)  # [n, d]
    softmax = torch.nn.functional.scaled_dot_product_attention
    exact = [softmax(Q, Q, V, is_causal=causal, scale=1.0) for causal in (False, True)]
    total = {"orthogonal": 0.0, "simplex": 0.0}
    for k in range(draws):
        for coupling in total:
            W = gaussian_projections(Q.shape[1], Q.shape[1], coupling, _generator(seed + k))
            phi = PositiveRandomFeatures(*W.shape, projections=W)
            for causal, wanted in enumerate(exact):
                found = linear_attention(phi, Q, Q, V, causal=bool(causal))
                total[coupling] += float((found - wanted).square().sum() / wanted.square().sum())
    return Claim.at_most(
        ATTENTION,
        paper="higher accuracy of Transformers",
        measured=total["simplex"] / total["orthogonal"],
        bound=1.0,
        unit="of its mean squared error",
        if_not="The division by row sums is no part of what SimRF is optimal for.",
    )


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _draw(figure: Any, points: list[Point], gains: dict[str, dict[str, list[float]]]) -> None:
    """Errors against ``v``, and accuracies above those of independent features."""
    left, right = figure.subplots(1, 2)
    for k, d in enumerate((8, 64)):
        of_d = [point for point in points if point.d == d]
        for (coupling, name), marker, line in zip(NAMES.items(), "so^", ("--", "-", "")):
            found = [_relative(p.simulated, coupling) for p in of_d]
            left.plot(SUMS, found, marker, color=f"C{k}", label=f"{name}, d = {d}")
            if line:
                closed = [_relative(p.closed, coupling) for p in of_d]
                left.plot(SUMS, closed, line, color=f"C{k}")
    left.set(yscale="log", xlabel="v = |x + y|", ylabel="error / error of independent features")
    left.set_title("kernel (lines: closed form)")
    left.legend(fontsize=8, loc="lower right")
    for k, (table, by) in enumerate(gains.items()):
        for coupling, line in (("orthogonal", "s--"), ("simplex", "o-")):
            above = [a - b for a, b in zip(by[coupling], by["independent"], strict=True)]
            label = f"{NAMES[coupling]}, {table.replace('_', ' ')}"
            right.plot(PER_DIMENSION, above, line, color=f"C{k + 2}", label=label)
    right.axhline(0, color="grey", linewidth=0.8)
    right.set(xscale="log", xlabel="features / d", ylabel="accuracy above independent, points")
    right.set_xticks(PER_DIMENSION, [str(m) for m in PER_DIMENSION])
    right.minorticks_off()
    right.set_title("classification")
    right.legend(fontsize=8)
    for axes in (left, right):
        axes.grid(True, alpha=0.3)
