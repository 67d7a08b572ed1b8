"""Self-distillation of kernel ridge regression: closed form, limit and optimal weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mercer.kernels import RBF
from mercer.learn.distillation import Distilled, SelfDistilledRegressor, distil
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.learn._distillation_tables import MULTIPLES, Trial, tables, trials_of
from mercer.papers.result import Result

EXACT = "Any number of distillation steps follows from the first fit, without retraining."
PUBLISHED = "On the eleven published points the losses of all steps are those printed."
LIMIT = "Infinite steps give the original problem with the regularisation lambda / alpha."
DAMPENS = "Without ground truth the limit is the zero function; with it the limit is a better fit."
OPTIMAL = "The weight that is optimal at a step has a closed form; a grid search finds none better."
IMPROVES = "Distillation with optimal weights improves a first fit that is regularised too little."
SPARSER = "Each step makes the solution sparser in the eigenfunctions of the kernel."

PAPER = Paper(
    slug="self-distillation",
    folder="learn",
    title=(
        "Even your Teacher Needs Guidance: Ground-Truth Targets Dampen Regularization Imposed by "
        "Self-Distillation"
    ),
    url="https://arxiv.org/abs/2102.13088",
    authors="Kenneth Borup, Lars N. Andersen",
    year=2021,
    summary=(
        "Kernel ridge regression is refitted to its own predictions, mixed with the true targets. "
        "All refits are one function of the spectrum of the kernel matrix. Each one regularises "
        "more; the ground truth dampens that, and its best weight at each step is the solution of "
        "a regression on one number."
    ),
    parts=(
        "mercer.learn.distillation.distil",
        "mercer.learn.distillation.Distilled",
        "mercer.learn.distillation.SelfDistilledRegressor",
        "mercer.learn.distillation.optimal_weight",
    ),
    claims=(EXACT, PUBLISHED, LIMIT, DAMPENS, OPTIMAL, IMPROVES, SPARSER),
)

NOTE = (
    "Eleven noisy points of a sine, RBF kernel exp(-80 d^2), lambda 0.2: data of Mobahi et al. "
    "(https://arxiv.org/abs/2002.05715), losses as printed with the authors' code "
    "(https://github.com/Kennethborup/self_distillation), against the sine without noise. Tables: "
    "diabetes (scikit-learn), Auto (ISLR) and CASchools (AER), standardised, split at random into "
    "60 % to fit and 40 % to test; the RBF lengthscale is the best for ridge regression, and "
    "lambda a multiple of the best there. Errors in the table are test errors over that of the "
    "first fit with the best lambda, after five steps. The published experiments with residual "
    "networks on CIFAR-10 are not run. The paper was read in part; its theorems were rederived."
)

ALPHA = 0.35
LABELS = (
    *(0.38476636465198066, 1.2333967683416893, 1.33232242218057, 0.6920159488889518),
    *(-0.29756145531871736, -0.24189291901377769, -0.7964485769175675, -0.9616480167034174),
    *(-0.49672509509916934, -0.3469066003991437, 0.5589512650600734),
)
PRINTED = {
    0.0: (0.16477, 0.15076, 0.14915, 0.15561, 0.16735, 0.18251),
    ALPHA: (0.16477, 0.15424, 0.15089, 0.14983, 0.14954, 0.14948),
}
PRINTED_LIMITS = {0.0: 0.49505, ALPHA: 0.14959}


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes 20 random splits of each table instead of 3.
    seed : int
        Of the splits.

    Returns
    -------
    Result
    """
    data = tables()
    splits = 20 if scale == "full" else 3
    trials = [
        trial
        for name, (X, y) in data.items()
        for split in range(splits)
        for trial in trials_of(name, X, y, seed + split)
    ]
    steps = {alpha: [_loss(_toy(alpha, t)) for t in range(6)] for alpha in PRINTED}
    limits = {0.0: _loss(torch.zeros(101, dtype=torch.float64)), ALPHA: _loss(_toy_limit())}
    claims = (
        _exact(data),
        _published(steps, limits),
        _limit(),
        _dampens(limits),
        _optimal(data, seed),
        _improves(trials),
        _sparser(),
    )
    rows = tuple(_row(name, multiple, trials) for name in data for multiple in MULTIPLES)
    columns = ("table", "lambda / best", "first fit", "optimal", "alpha 0.5", "alpha 0", "weights")
    return Result(claims, columns, rows, lambda figure: _draw(figure, steps, limits, trials), NOTE)


def _of(trials: list[Trial], multiple: float, field: str, name: str | None = None) -> float:
    """The geometric mean of an error over splits and tables."""
    values = [
        getattr(trial, field)
        for trial in trials
        if trial.multiple == multiple and name in (None, trial.table)
    ]
    return math.exp(sum(map(math.log, values)) / len(values))


def _row(name: str, multiple: float, trials: list[Trial]) -> tuple[Any, ...]:
    weights = [t.weights for t in trials if t.table == name and t.multiple == multiple]
    errors = [_of(trials, multiple, f, name) for f in ("first", "optimal", "half", "without")]
    return (name, multiple, *errors, " ".join(f"{w:.2f}" for w in np.mean(weights, axis=0)))


def _points() -> tuple[RBF, Tensor, Tensor, Tensor]:
    X, new = (torch.linspace(0, 1, n, dtype=torch.float64)[:, None] for n in (11, 101))
    return RBF(lengthscale=1 / math.sqrt(160)), X, torch.tensor(LABELS, dtype=torch.float64), new


def _toy(alpha: float, steps: int) -> Tensor:
    """Predictions at 101 points."""
    kernel, X, y, new = _points()
    return kernel(new, X) @ distil(kernel(X), y, Distilled(0.2 / 11, (alpha,) * steps)).coefficients


def _toy_limit() -> Tensor:
    kernel, X, y, new = _points()
    return kernel(new, X) @ distil(kernel(X), y, Distilled(0.2 / 11 / ALPHA, ())).coefficients


def _loss(predicted: Tensor) -> float:
    new = torch.linspace(0, 1, 101, dtype=torch.float64)
    return float((predicted - torch.sin(2 * math.pi * new)).square().mean())


def _exact(tables: dict[str, tuple[Tensor, Tensor]]) -> Claim:
    """The largest difference of predictions from ten refits by scikit-learn, relative."""
    from sklearn.kernel_ridge import KernelRidge

    worst = 0.0
    for X, y in tables.values():
        kernel, ridge, alphas = RBF(math.sqrt(X.shape[1])), 0.5, (0.0, 0.3, 0.8, 0.1, 0.5) * 2
        model = KernelRidge(kernel="rbf", gamma=1 / (2 * X.shape[1]), alpha=ridge)
        fitted = model.fit(X.numpy(), y.numpy()).predict(X.numpy())
        for alpha in alphas:
            mixed = alpha * y.numpy() + (1 - alpha) * fitted
            fitted = model.fit(X.numpy(), mixed).predict(X.numpy())
        K = kernel(X)
        ours = K @ distil(K, y, Distilled(ridge / len(X), alphas), method="eigh").coefficients
        worst = max(worst, float(np.abs(ours.numpy() - fitted).max() / np.abs(fitted).max()))
    return Claim.at_most(
        EXACT,
        paper="equal",
        measured=worst,
        bound=1e-8,
        unit="largest relative difference from ten refits by scikit-learn, three tables",
        if_not="Rounding errors of the eigendecomposition are larger than that.",
    )


def _published(steps: dict[float, list[float]], limits: dict[float, float]) -> Claim:
    apart = [abs(a - b) for alpha in PRINTED for a, b in zip(steps[alpha], PRINTED[alpha])]
    apart += [abs(limits[alpha] - PRINTED_LIMITS[alpha]) for alpha in PRINTED]
    return Claim.at_most(
        PUBLISHED,
        paper=0.0,
        measured=max(apart),
        bound=5.1e-6,
        unit="largest difference from 14 losses printed with five decimals",
        if_not="The setting is not that of the authors.",
    )


def _limit() -> Claim:
    limit = _toy_limit()
    return Claim.at_most(
        LIMIT,
        paper="equal",
        measured=float((_toy(ALPHA, 80) - limit).abs().max() / limit.abs().max()),
        bound=1e-8,
        unit="relative difference after 80 steps",
        if_not="Convergence is linear, and slower for smaller weights.",
    )


def _dampens(limits: dict[float, float]) -> Claim:
    return Claim.at_least(
        DAMPENS,
        paper=PRINTED_LIMITS[0.0] / PRINTED_LIMITS[ALPHA],
        measured=limits[0.0] / limits[ALPHA],
        bound=1.0,
        unit=f"loss of the limit without ground truth over that with the weight {ALPHA}",
        if_not="The noise is so large that the zero function is the better fit.",
    )


def _optimal(tables: dict[str, tuple[Tensor, Tensor]], seed: int) -> Claim:
    """Validation loss with the optimal weight over the least on a grid, at the worst step."""
    grid = [k / 100 for k in range(101)]
    worst = 0.0
    for X, y in tables.values():
        order = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))
        fit, held = order[: len(X) // 2], order[len(X) // 2 :]
        kernel, ridge = RBF(math.sqrt(X.shape[1])), 0.05
        model = SelfDistilledRegressor(kernel, 3, regularisation=ridge)
        model.fit(X[fit], y[fit], validation=(X[held], y[held]))
        values, Q = torch.linalg.eigh(kernel(X[fit]).dense() / len(fit))
        mean = y[fit].mean()
        left, right = kernel(X[held], X[fit]) @ Q, Q.mT @ (y[fit] - mean) / len(fit)
        for t in range(3):
            losses = []
            for alpha in (model.weights_[t], *grid):
                profile = Distilled(ridge / len(fit), (*model.weights_[:t], alpha))
                predicted = left @ (profile.filter(values.clamp_min(0)) * right) + mean
                losses.append(float((predicted - y[held]).square().mean()))
            worst = max(worst, losses[0] / min(losses[1:]))
    return Claim.at_most(
        OPTIMAL,
        paper="no more",
        measured=worst,
        bound=1 + 1e-9,
        unit="of the least validation loss on a grid of 101 weights, at the worst of 9 steps",
        if_not="The weight is not that of the regression.",
    )


def _improves(trials: list[Trial]) -> Claim:
    little = MULTIPLES[0]
    return Claim.at_most(
        IMPROVES,
        paper="below 1",
        measured=_of(trials, little, "optimal") / _of(trials, little, "first"),
        bound=1.0,
        unit=f"of the test error of the first fit, {little:g} times the best lambda, five steps",
        if_not="These tables have so little noise that more regularisation does not help.",
    )


def _sparser() -> Claim:
    """The largest ratio of effective numbers of eigenfunctions from one step to the next."""
    kernel, X, _, _ = _points()
    values = torch.linalg.eigvalsh(kernel(X).dense()).clamp_min(0) / 11
    ratios = []
    for alpha in PRINTED:
        h = torch.stack([Distilled(0.2 / 11, (alpha,) * t)(values) for t in range(6)])
        number = h.sum(dim=1).square() / h.square().sum(dim=1)
        ratios += (number[1:] / number[:-1]).tolist()
    return Claim.at_most(
        SPARSER,
        paper="below 1",
        measured=max(ratios),
        bound=1.0,
        unit="(sum h)^2 / sum h^2 of a step over that of the step before, at most",
        if_not="A step shrinks small eigenvalues less than large ones.",
    )


def _draw(
    figure: Any, steps: dict[float, list[float]], limits: dict[float, float], trials: list[Trial]
) -> None:
    """Functions of the steps with and without ground truth; errors against regularisation."""
    panels = figure.subplots(1, 3)
    _, X, y, new = _points()
    for axes, alpha in zip(panels, steps):
        axes.plot(new, torch.sin(2 * math.pi * new), color="grey", ls=":", label="truth")
        for t in range(6):
            axes.plot(new, _toy(alpha, t), color=(0.1, 0.2 + 0.13 * t, 0.7), lw=1.2)
        end = torch.zeros(101) if alpha == 0 else _toy_limit()
        axes.plot(new, end, "k--", lw=1.5, label=f"limit: loss {limits[alpha]:.3f}")
        axes.plot(X, y, "kx", ms=5)
        axes.set(title=f"ground truth weighs {alpha:g}", xlabel="x", ylim=(-1.6, 1.5))
        axes.legend(fontsize=8, loc="lower left", frameon=False)
    axes = panels[2]
    for field, label, style in (
        ("first", "first fit", "k-o"),
        ("without", "5 steps, weight 0", "C3--s"),
        ("half", "5 steps, weight 0.5", "C1--^"),
        ("optimal", "5 steps, optimal", "C0-D"),
    ):
        errors = [_of(trials, multiple, field) for multiple in MULTIPLES]
        axes.plot(MULTIPLES, errors, style, ms=4, label=label)
    axes.set(xscale="log", xlabel="lambda / best lambda", ylabel="test error / best ridge")
    axes.set_title("three tables")
    axes.legend(fontsize=8, frameon=False)
    axes.grid(True, alpha=0.3)
