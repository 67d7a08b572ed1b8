"""The benchmark's loop: every problem's candidate is checked, then raced."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mercer.lab.candidate import Candidate
from mercer.lab.leaderboard.journal import Journal
from mercer.lab.leaderboard.loop import Record, Task, key_of, work_off
from mercer.lab.leaderboard.report import SuiteReport, SuiteRow
from mercer.lab.problem import Problem
from mercer.lab.sandbox import Pool
from mercer.lab.timing.machine import Machine, measure_machine
from mercer.lab.timing.race import race
from mercer.lab.verify import check


def evaluate_suite(
    problems: Iterable[Problem] | Mapping[str, Problem],
    candidates: Mapping[str, Candidate],
    *,
    pool: Pool,
    levels: Sequence[int] = (1, 2, 3),
    baselines: Sequence[str] = ("eager", "compiled"),
    ps: Sequence[float] = (0.0, 1.0, 1.5, 2.0),
    seeds: int = 5,
    seed: int = 0,
    check_options: Mapping[str, Any] | None = None,
    race_options: Mapping[str, Any] | None = None,
    machine: Machine | None = None,
    journal: str | Path | None = None,
    workers: int = 2,
    progress: bool = True,
) -> SuiteReport:
    """Check each problem's candidate on several seeds, race the right ones, and count.

    Parameters
    ----------
    problems : iterable of Problem, or mapping
        Such as `mercer.lab.problems.catalogue()` or what `read_problems` returns.
    candidates : mapping of str to Candidate
        By the problem's name. A problem without one counts as not solved.
    pool : Pool
        Its device is where everything runs.
    levels : sequence of int, optional
        Of the problems that are looked at.
    baselines : sequence of str, optional
        As in `mercer.lab.timing.race`; none: candidates are checked only.
    ps : sequence of float, optional
        For which `fast_p` is tabulated.
    seeds, seed : int, optional
        How many independent inputs a candidate must be right on, and of which seed the first.
    check_options, race_options : mapping, optional
        Further arguments of `check` and of `race`.
    machine : Machine, optional
        Default: measured before the first race.
    journal : str or Path, optional
        A file of JSON lines. A run that finds one goes on behind it: results of the same candidate,
        problem and options are not made again.
    workers : int, optional
        Checks at a time. Races have the machine to themselves.
    progress : bool, optional

    Returns
    -------
    SuiteReport

    Raises
    ------
    ValueError
        If there is no problem, or a candidate for one that there is not.

    References
    ----------
    KernelBench: Can LLMs Write Efficient GPU Kernels?, https://arxiv.org/abs/2502.10517
    """
    every = list(problems.values() if isinstance(problems, Mapping) else problems)
    chosen = {p.name: p for p in every if p.level in levels}
    unknown = sorted(set(candidates) - {p.name for p in every})
    if not chosen:
        raise ValueError("a suite needs at least one problem of the levels, got none")
    if unknown:
        raise ValueError(f"there is no problem {unknown[0]!r} for the candidate of that name")
    checking = {"seeds": seeds, "seed": seed, **(check_options or {})}
    racing = {"baselines": tuple(baselines), "seed": seed, **(race_options or {})}

    @functools.cache
    def measured() -> Machine:
        return machine or measure_machine(pool.device)

    def timed(problem: Problem, candidate: Candidate) -> Record:
        return race_record(problem, candidate, pool=pool, machine=measured(), **racing)

    names = [name for name in chosen if name in candidates]
    tasks = [
        Task(
            key_of("check", name, candidates[name].digest, device=pool.device, **checking),
            functools.partial(check_record, chosen[name], candidates[name], pool=pool, **checking),
            key_of("race", name, candidates[name].digest, device=pool.device, **racing),
            functools.partial(timed, chosen[name], candidates[name]) if baselines else None,
        )
        for name in names
    ]
    with Journal(journal) as results:
        found = work_off(tasks, results, workers=workers, progress=progress, title="suite")
    rows = {
        name: _row(chosen[name], candidates[name], *records)
        for name, records in zip(names, found, strict=True)
    }
    return SuiteReport(
        tuple(rows.get(p.name, SuiteRow(p.name, p.level)) for p in chosen.values()),
        tuple(baselines),
        tuple(ps),
        device_name(pool.device),
    )


def check_record(problem: Problem, candidate: Candidate, *, pool: Pool, **options: Any) -> Record:
    """Return a verdict's numbers and strings, without its trials."""
    verdict = check(problem, candidate, pool=pool, device=pool.device, **options)
    record = verdict.json()
    return {k: record[k] for k in ("right", "stage", "reason", "margin", "hint")}


def race_record(
    problem: Problem, candidate: Candidate, *, pool: Pool, machine: Machine, **options: Any
) -> Record:
    """Return what a race says of one candidate; a baseline that fails is noted, not raised."""
    try:
        entry = race(problem, [candidate], pool=pool, machine=machine, **options).entries[-1]
    except RuntimeError as error:
        return {"right": True, "note": str(error), "speedups": {}}
    if not entry.right:
        return {"right": False, "reason": entry.reason, "speedups": {}}
    return {
        "right": True,
        "seconds": entry.seconds,
        "speedups": {name: ratio.median for name, ratio in entry.speedups.items()},
        "roofline": entry.roofline if math.isfinite(entry.roofline) else None,
    }


def _row(problem: Problem, candidate: Candidate, checked: Record, raced: Record) -> SuiteRow:
    right = bool(checked["right"] and raced.get("right", True))
    lost = checked["right"] and not right
    return SuiteRow(
        problem.name,
        problem.level,
        candidate.name or problem.name,
        right,
        "race" if lost else checked["stage"],
        raced["reason"] if lost else checked["reason"],
        checked["margin"],
        raced.get("seconds"),
        raced.get("speedups", {}),
        raced.get("roofline"),
        raced.get("note", ""),
    )


def device_name(device: str) -> str:
    """Return what a device is called in a report."""
    return "CPU" if device == "cpu" else torch.cuda.get_device_name()
