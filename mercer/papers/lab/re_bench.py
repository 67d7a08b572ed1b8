"""RE-Bench: agents under a budget of time, and how it is best divided into runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mercer.lab.budget import budget_splits, expected_best
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

UNBIASED = "From n runs, the expected best of k is estimated without bias."
SMALL = "At a small total budget the quick agent scores higher than the slow, steady one."
LARGE = "At a large total budget the steady agent has overtaken it."
SPLIT = "How long a run should be for the best of all runs depends on the total budget."
PROGRESS = "Most runs improve on the program that they are given."
FASTER = "An agent's best kernel is faster than the expert's reference."

PAPER = Paper(
    slug="re-bench",
    folder="lab",
    title=(
        "RE-Bench: Evaluating frontier AI R&D capabilities of language model agents against human "
        "experts"
    ),
    url="https://arxiv.org/abs/2411.15114",
    authors="Hjalmar Wijk, Tao Lin, Joel Becker, Sami Jawhar, Neev Parikh, and others",
    year=2024,
    summary=(
        "Agents and people get a starting program, a way to score it and a budget of time. Scores "
        "are 0 for the start and 1 for an expert's reference; of a kernel, by the logarithm of its "
        "seconds. A total budget may be one long run or the best of several short ones."
    ),
    parts=(
        "mercer.lab.budget.run_agent",
        "mercer.lab.budget.normalised_score",
        "mercer.lab.budget.expected_best",
        "mercer.lab.budget.budget_splits",
        "mercer.lab.native.build.build",
    ),
    claims=(UNBIASED, SMALL, LARGE, SPLIT, PROGRESS, FASTER),
)

NOTE = (
    "The kernel is prefix sums of rows, six shapes in one program: of three, as tried first, the "
    "steady agent gained less than the quick one (0.998). Measured: the seconds of 48 "
    "schedules in C++ on each shape, one thread, and of torch.cumsum, which is the reference; the "
    "start runs down the columns. Simulated: time. An evaluation takes 2 s by a clock of its own, "
    "thinking 1 s (quick: draws every program anew) or 4 s after 60 s of reading (steady: changes "
    "one choice of its best program). The agents are these programs, not language models, and no "
    "person took part: the published figures are of agents against people at 2, 8 and 32 hours. "
    "Published figures are from the abstract."
)
BUDGETS = (60.0, 120.0, 240.0, 480.0, 960.0, 1920.0)  # of one run
AGENTS = ("quick", "steady")


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        48 runs of each agent and budget, or 256.
    seed : int
        Of inputs and agents.

    Returns
    -------
    Result
    """
    from mercer.papers.lab import _re_bench_scan as scan

    landscape = scan.measure(repeats=20 if scale == "quick" else 200, seed=seed)
    if not landscape.error < 1e-5:
        raise RuntimeError(f"a schedule is wrong by {landscape.error:.1e} of the largest sum")
    count = 48 if scale == "quick" else 256
    scores = {
        agent: {
            budget: [
                scan.play(landscape, agent, budget=budget, seed=number).score
                for number in np.random.SeedSequence([seed, a, b]).generate_state(count).tolist()
            ]
            for b, budget in enumerate(BUDGETS)
        }
        for a, agent in enumerate(AGENTS)
    }
    best = {
        agent: {total: _best_split(scores[agent], total) for total in BUDGETS[1:]}
        for agent in AGENTS
    }
    flat = [score for of_agent in scores.values() for runs in of_agent.values() for score in runs]
    small, large = BUDGETS[1], BUDGETS[-1]
    claims = (
        _unbiased(flat, seed),
        Claim.at_least(
            SMALL,
            paper=4.0,
            measured=best["quick"][small][2] / max(best["steady"][small][2], 1e-9),
            bound=1.0,
            unit=f"times the score, {small:g} s",
            if_not="Reading first paid at once: the steady agent's first steps gain more.",
        ),
        Claim.at_least(
            LARGE,
            paper=2.0,
            measured=best["steady"][large][2] / best["quick"][large][2],
            bound=1.0,
            unit=f"times the score, {large:g} s",
            if_not="So many draws find what step by step improvement finds.",
        ),
        Claim.at_least(
            SPLIT,
            paper="differs",
            measured=len({length for length, _, _ in best["steady"].values()}),
            bound=2,
            unit="lengths of the steady agent's runs are best at some total",
            if_not="One length is best at all of these totals.",
        ),
        Claim.at_least(
            PROGRESS,
            paper=0.82,
            measured=float(np.mean(np.asarray(flat) > 0)),
            bound=0.5,
            unit="of the runs",
            if_not="Short budgets end before the agents have done anything.",
        ),
        Claim.at_least(
            FASTER,
            paper="faster",
            measured=(landscape.start / landscape.reference) ** (max(flat) - 1),
            bound=1.0,
            unit="times as fast as the reference",
            if_not="PyTorch's prefix sum is faster than all schedules that were found.",
        ),
    )
    return Result(
        claims=claims,
        columns=("agent", "total s", "best length s", "runs", "expected best", "mean of one run",
                 "at least the reference %"),
        rows=tuple(
            (agent, total, length, k, value, float(np.mean(scores[agent][total])),
             100 * float(np.mean(np.asarray(scores[agent][total]) >= 1)))
            for agent in AGENTS
            for total, (length, k, value) in best[agent].items()
        ),
        draw=lambda figure: _draw(figure, scores, best, landscape),
        note=(
            f"{NOTE} Here: start {1e6 * landscape.start:.0f} us, reference "
            f"{1e6 * landscape.reference:.0f} us, fastest of all "
            f"{len(scan.SCHEDULES) ** len(scan.SHAPES):.1e} programs {1e6 * landscape.best:.0f} us."
        ),
    )  # fmt: skip


def _best_split(runs: Mapping[float, Sequence[float]], total: float) -> tuple[float, int, float]:
    """Length, number and expected best of the runs that a total is best spent on."""
    splits = budget_splits(runs, total)
    length = max(splits, key=lambda budget: splits[budget][1])
    return length, *splits[length]


def _unbiased(scores: Sequence[float], seed: int) -> Claim:
    """Against the mean over all subsets of 11 of the runs, for each size."""
    some = np.random.default_rng(seed).choice(scores, size=11, replace=False).tolist()
    off = [
        abs(expected_best(some, k) - math.fsum(map(max, subsets)) / len(subsets))
        for k in range(1, 12)
        for subsets in [list(itertools.combinations(some, k))]
    ]
    return Claim.at_most(
        UNBIASED,
        paper="exact",
        measured=max(off),
        bound=1e-12,
        unit="largest difference to the mean over all subsets of 11 runs",
        if_not="The weights of the order statistics are wrong.",
    )


def _draw(
    figure: Any,
    scores: Mapping[str, Mapping[float, Sequence[float]]],
    best: Mapping[str, Mapping[float, tuple[float, int, float]]],
    landscape: Any,
) -> None:
    """Scores over the total; the steady agent's splits; the seconds of all schedules."""
    left, middle, right = figure.subplots(1, 3)
    for k, agent in enumerate(AGENTS):
        totals = list(best[agent])
        values = [best[agent][t][2] for t in totals]
        left.plot(totals, values, "o-", color=f"C{k}", label=f"{agent}, best split")
        means = [np.mean(scores[agent][t]) for t in totals]
        left.plot(totals, means, "--", color=f"C{k}", linewidth=1, label=f"{agent}, one run")
    left.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")
    left.set_title("score at a total budget", fontsize=10)
    left.set_ylabel("0: start, 1: reference")
    for k, total in enumerate(BUDGETS[1:]):
        splits = budget_splits(scores["steady"], total)
        color = f"C{k + 2}"
        middle.plot(
            list(splits), [v for _, v in splits.values()], ".-", color=color, label=f"{total:g} s"
        )
        length, _, value = best["steady"][total]
        middle.plot(length, value, "o", color=color, markersize=8, fillstyle="none")
    middle.set_title("steady agent: length of its runs", fontsize=10)
    middle.legend(title="total", fontsize=7, title_fontsize=7)
    for axes, label in ((left, "total budget, s"), (middle, "budget of one run, s")):
        axes.set(xscale="log", xlabel=label)
        axes.set_xticks(BUDGETS, [f"{b:g}" for b in BUDGETS], fontsize=8)
        axes.minorticks_off()
    left.legend(fontsize=7, loc="lower right")
    for (rows, columns), seconds in zip(landscape.shapes, landscape.seconds):
        ordered = np.sort(seconds) * 1e6
        right.plot(np.arange(1, len(ordered) + 1), ordered, label=f"{rows} x {columns}")
    right.set(yscale="log", xlabel="schedule, fastest first", ylabel="us, measured")
    ticks = [t for d in (1, 10, 100, 1000) for t in (d, 2 * d, 5 * d)]
    low, high = right.get_ylim()
    right.set_yticks(shown := [t for t in ticks if low <= t <= high], [f"{t}" for t in shown])
    right.minorticks_off()
    right.set_title("prefix sums of rows", fontsize=10)
    right.legend(fontsize=7)
