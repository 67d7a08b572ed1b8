"""ConCuR: reasoning traces for writing kernels, curated by conciseness and speed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mercer.lab.curate import (
    Difficulty,
    ReasoningTrace,
    curate,
    difficulty,
    generate,
    write_dataset,
)
from mercer.lab.problems import catalogue
from mercer.lab.timing.fast_p import fast_p
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

SHORTER = "Of a task's samples, the right ones were reasoned about more briefly."
LENGTH = "The mean length of the reasoning orders tasks by difficulty."
CURATED = "A student of concise, fast traces beats one of as many right traces taken at random."
FEWER = "It beats a student of all right traces, though it saw far fewer."
BOTH = "Both criteria together beat each alone."

PAPER = Paper(
    slug="concur",
    folder="lab",
    title="ConCuR: Conciseness Makes State-of-the-Art Kernel Generation",
    url="https://arxiv.org/abs/2510.07356",
    authors="Lingcheng Kong, Jiateng Wei, Hanzhang Shen, Huan Wang",
    year=2025,
    summary=(
        "A data set of problems, reasoning and kernels: a model writes several kernels for each "
        "problem, each is checked and timed, and those are kept that are fast and were reasoned "
        "about briefly, balanced over kinds of tasks. Mean length of reasoning measures difficulty."
    ),
    parts=(
        "mercer.lab.curate.generate",
        "mercer.lab.curate.curate",
        "mercer.lab.curate.difficulty",
        "mercer.lab.curate.write_dataset",
        "mercer.lab.timing.fast_p.fast_p",
    ),
    claims=(SHORTER, LENGTH, CURATED, FEWER, BOTH),
)

NOTE = (
    "Simulated: the model. Prompts are the lab's own problems; a reasoner of a stated law decides "
    "step by step, one decision for each call of the reference, digresses in between, and slips in "
    "one digression of ten; how often it digresses and decides well varies from sample to sample. "
    "That long reasoning is more often wrong is therefore put in; measured is whether generation, "
    "curation and difficulty find it, and what a student gains, whose two habits are the shares "
    "in the traces that it is shown. No language model was trained. The publication sampled "
    "Kevin-32B five times on each of 18,162 tasks and fine-tuned a model of 32 billion "
    "parameters. fast_1: the share of samples that are right and faster than the baseline. "
    "The last claim is close: 1.008 at seed 1. "
    "Published statements are from the abstract and the project's page."
)
SAMPLES = 5


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        Every third problem of the lab, or all of them.
    seed : int
        Of the samples and of the random selection.

    Returns
    -------
    Result
    """
    from mercer.papers.lab import _concur_teacher as simulated

    problems = list(catalogue().values())[:: 3 if scale == "quick" else 1]
    with tempfile.TemporaryDirectory() as folder:

        def sampled(model: simulated.Reasoner, seed: int) -> list[ReasoningTrace]:
            path = Path(folder) / f"{model.name}.jsonl"
            return generate(
                problems, model, simulated.judge, SAMPLES, path=path, seed=seed, verbose=False
            )

        traces = sampled(simulated.Reasoner(), seed)
        selections = _selections(traces, seed)
        counts = write_dataset(selections["concise and fast"], Path(folder) / "set", seed=seed)
        students = {
            name: sampled(simulated.learn(chosen, f"student of {name}"), seed + 1)
            for name, chosen in selections.items()
        }
    found = difficulty(traces)
    fast = {name: _fast_1(made) for name, made in students.items()}
    ours = fast["concise and fast"]
    claims = (
        Claim.at_least(
            SHORTER,
            paper="shorter",
            measured=_wrong_over_right(traces),
            bound=1.0,
            unit="times the length, wrong over right of the same task, mean",
            if_not="Digressions of this reasoner do not lead to errors.",
        ),
        Claim.at_most(
            LENGTH,
            paper="a metric",
            measured=found.correlation,
            bound=-0.5,
            unit="rank correlation of mean length and share of right samples",
            if_not="Five samples a task measure the share of right ones too coarsely.",
        ),
        Claim.at_least(
            CURATED,
            paper="significant",
            measured=ours / fast["random"],
            bound=1.0,
            unit="times the fast_1",
            if_not="The selected traces have the habits of all right ones.",
        ),
        Claim.at_least(
            FEWER,
            paper="curated",
            measured=ours / fast["all right"],
            bound=1.0,
            unit="times the fast_1",
            if_not="The selected traces have the habits of all right ones.",
        ),
        Claim.at_least(
            BOTH,
            paper="both",
            measured=ours / max(fast["concise"], fast["fast"]),
            bound=1.0,
            unit="times the fast_1, against the better of the two",
            if_not="One criterion selects the same habits more sharply than both together do.",
        ),
    )
    return Result(
        claims=claims,
        columns=("selection", "traces", "median tokens", "median speed-up", "student: right %",
                 "student: fast_1 %", "student: median tokens"),
        rows=tuple(
            (
                name, len(chosen), _median(chosen, "tokens"), _median(chosen, "speedup"),
                100 * float(np.mean([t.right for t in students[name]])), 100 * fast[name],
                _median(students[name], "tokens"),
            )
            for name, chosen in selections.items()
        ),
        draw=lambda figure: _draw(figure, traces, selections, found, fast),
        note=f"{NOTE} The data set has {counts['train']} traces to train on, {counts['test']} held "
        "out by task.",
    )  # fmt: skip


def _selections(traces: Sequence[ReasoningTrace], seed: int) -> dict[str, Sequence[ReasoningTrace]]:
    """The curated set, and others of at most one trace of each of the same tasks."""
    ours = curate(traces)
    tasks = {t.problem for t in ours}
    right = [t for t in traces if t.right]
    generator = np.random.default_rng(seed)
    of_task = [[t for t in right if t.problem == task] for task in sorted(tasks)]
    return {
        "concise and fast": ours,
        "random": [group[int(generator.integers(len(group)))] for group in of_task],
        "concise": [min(group, key=lambda t: t.tokens) for group in of_task],
        "fast": [max(group, key=lambda t: t.speedup) for group in of_task],
        "long": [max(group, key=lambda t: t.tokens) for group in of_task],
        "all right": right,
    }


def _fast_1(traces: Sequence[ReasoningTrace]) -> float:
    return fast_p([t.right for t in traces], [t.speedup for t in traces], 1.0)


def _wrong_over_right(traces: Sequence[ReasoningTrace]) -> float:
    ratios = []
    for task in {t.problem for t in traces}:
        lengths: dict[bool, list[int]] = {True: [], False: []}
        for trace in traces:
            if trace.problem == task:
                lengths[trace.right].append(trace.tokens)
        if lengths[True] and lengths[False]:
            ratios.append(float(np.mean(lengths[False]) / np.mean(lengths[True])))
    return float(np.mean(ratios))


def _median(traces: Sequence[ReasoningTrace], field: str) -> float:
    values = [getattr(t, field) for t in traces if t.right or field == "tokens"]
    return float(np.median(values))


def _draw(
    figure: Any,
    traces: Sequence[ReasoningTrace],
    selections: Mapping[str, Sequence[ReasoningTrace]],
    found: Difficulty,
    fast: Mapping[str, float],
) -> None:
    """All traces and those selected; difficulty; what students reach."""
    left, middle, right = figure.subplots(1, 3)
    shown = [t for t in traces if t.right]
    left.scatter([t.tokens for t in shown], [t.speedup for t in shown], s=8, color="0.75",
                 label="right")  # fmt: skip
    ours = selections["concise and fast"]
    left.scatter([t.tokens for t in ours], [t.speedup for t in ours], s=12, label="selected")
    left.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")
    left.set(xscale="log", yscale="log", xlabel="tokens of reasoning", ylabel="speed-up")
    left.set_yticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    left.set_title("traces", fontsize=10)
    left.legend(fontsize=7, loc="upper left")
    for kind in sorted({t.kind for t in found.tasks}):
        tasks = [t for t in found.tasks if t.kind == kind]
        jitter = np.random.default_rng(0).uniform(-1.5, 1.5, len(tasks))
        middle.scatter(
            [t.tokens for t in tasks], 100 * np.array([t.solved for t in tasks]) + jitter,
            s=10, label=kind,
        )  # fmt: skip
    middle.set(xscale="log", xlabel="mean tokens of a task", ylabel="right samples, %")
    middle.set_title(f"difficulty: rank correlation {found.correlation:.2f}", fontsize=10)
    middle.legend(fontsize=7, loc="lower left")
    for axes in (left, middle):
        low, high = axes.get_xlim()
        ticks = [t for t in (10, 20, 50, 100, 200, 500, 1000) if low <= t <= high]
        axes.set_xticks(ticks, [f"{t}" for t in ticks])
        axes.minorticks_off()
    names = sorted(fast, key=lambda name: fast[name])
    colors = ["C0" if name == "concise and fast" else "0.7" for name in names]
    right.barh(names, [100 * fast[name] for name in names], color=colors)
    right.set(xlabel="fast_1 of the student, %")
    right.set_title("what a student learned from", fontsize=10)
    right.tick_params(axis="y", labelsize=8)
