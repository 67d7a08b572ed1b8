"""Candidates for a channel: do they run, are they right, how fast, how near to the roofline."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mercer.lab.candidate import Candidate
from mercer.lab.channels.adapter import adapt
from mercer.lab.channels.candidates import read_candidates
from mercer.lab.channels.catalogue import channel as operators_of
from mercer.lab.channels.operator import Operator
from mercer.lab.channels.report import ChannelReport
from mercer.lab.channels.row import CallResult, Efficiency, OperatorRow
from mercer.lab.leaderboard.journal import Journal
from mercer.lab.leaderboard.loop import Record, Task, key_of, work_off
from mercer.lab.leaderboard.suite import device_name, race_record
from mercer.lab.problem import Problem
from mercer.lab.sandbox import Pool
from mercer.lab.timing.machine import Machine, measure_machine
from mercer.lab.verify import check

FINAL = ("verifier", "load", "worker")  # behind these no further call is tried


def score(
    channel: str,
    candidates: str | Path | Mapping[str, str | Candidate],
    *,
    pool: Pool,
    operators: Sequence[str] | None = None,
    baselines: Sequence[str] = ("eager",),
    size: str | None = None,
    check_options: Mapping[str, Any] | None = None,
    race_options: Mapping[str, Any] | None = None,
    machine: Machine | None = None,
    journal: str | Path | None = None,
    workers: int = 2,
    progress: bool = True,
) -> ChannelReport:
    """Score candidates that define the functions of a channel.

    Every call of an operator is checked as any candidate is, whatever becomes of the others, unless
    the text cannot be loaded or the worker is lost. Right candidates are raced in their first call.

    Parameters
    ----------
    channel : {"triton", "torch"}
    candidates : str, Path or mapping
        A folder with files ``<operator>.py``, or texts by the operator's name. An operator without
        one counts as failed.
    pool : Pool
    operators : sequence of str, optional
        Names of those that count. Default: the whole channel.
    baselines : sequence of str, optional
        As in `mercer.lab.timing.race`; none: nothing is timed.
    size : str, optional
        That is timed. Default: "desk" on a CPU, "race" on a GPU.
    check_options, race_options : mapping, optional
        Further arguments of `mercer.lab.verify.check` and of `race`.
    machine : Machine, optional
        Default: measured before the first race.
    journal : str or Path, optional
        A file of JSON lines that a later run goes on from.
    workers : int, optional
        Checks at a time. Races have the machine to themselves.
    progress : bool, optional

    Returns
    -------
    ChannelReport

    References
    ----------
    TritonBench: Benchmarking Large Language Model Capabilities for Generating Triton Operators,
    https://arxiv.org/abs/2502.14752
    """
    every = operators_of(channel)
    unknown = sorted(set(operators or ()) - set(every))
    if unknown:
        raise ValueError(f"the channel {channel} has no operator {unknown[0]!r}")
    chosen = {name: every[name] for name in (every if operators is None else operators)}
    given = read_candidates(candidates, every)
    size = size or ("desk" if pool.device == "cpu" else "race")
    checking = dict(check_options or {})
    racing = {"baselines": tuple(baselines), "size": size, **(race_options or {})}

    @functools.cache
    def measured() -> Machine:
        return machine or measure_machine(pool.device)

    def timed(operator: Operator, candidate: Candidate) -> Record:
        record = race_record(operator.problem, candidate, pool=pool, machine=measured(), **racing)
        if "seconds" in record:
            work, per_second = operator.work(size), 1 / record["seconds"]
            record["bandwidth"] = work.bytes * per_second / measured().bandwidth
            record["peak"] = work.flops * per_second / measured().peak
        return record

    names = [name for name in chosen if name in given]
    tasks = []
    for name in names:
        operator, candidate = chosen[name], adapt(chosen[name], given[name])
        where = {"channel": channel, "device": pool.device}
        calls = functools.partial(
            check_calls, operator, candidate, problem=operator.problem, pool=pool
        )
        tasks.append(
            Task(
                key_of("check", name, candidate.digest, **where, **checking),
                functools.partial(calls, **checking),
                key_of("race", name, candidate.digest, **where, **racing),
                functools.partial(timed, operator, candidate) if baselines else None,
            )
        )
    with Journal(journal) as results:
        found = work_off(tasks, results, workers=workers, progress=progress, title=channel)
    rows = {name: _row(chosen[name], given[name], *r) for name, r in zip(names, found, strict=True)}
    return ChannelReport(
        channel,
        tuple(rows.get(name, _missing(operator)) for name, operator in chosen.items()),
        tuple(baselines),
        device_name(pool.device),
    )


def check_calls(
    operator: Operator, candidate: Candidate, *, problem: Problem, pool: Pool, **options: Any
) -> Record:
    """Return whether a candidate is right, and stage and reason for each of its trials' sizes.

    A check ends at a failure, so it begins again behind it.
    """
    results: dict[str, tuple[str, str]] = {}
    rest = list(operator.trials)
    while rest:
        verdict = check(
            problem, candidate, pool=pool, device=pool.device, sizes=tuple(rest), **options
        )
        if verdict.right:
            results |= dict.fromkeys(rest, ("right", ""))
            break
        reached = rest.index(verdict.trials[-1].case.size) if verdict.trials else 0
        results |= dict.fromkeys(rest[:reached], ("right", ""))
        failed = (verdict.stage, verdict.reason)
        results[rest[reached]] = failed
        rest = rest[reached + 1 :]
        if verdict.stage in FINAL:
            results |= dict.fromkeys(rest, failed)
            break
    return {"right": all(stage == "right" for stage, _ in results.values()), "sizes": results}


def _row(operator: Operator, candidate: Candidate, checked: Record, raced: Record) -> OperatorRow:
    sizes = checked["sizes"]
    first = next((sizes[s] for s in ("odd", "small") if sizes[s][0] != "right"), sizes["small"])
    outcomes = [first, *(sizes[size] for size in operator.trials[2:])]
    calls = tuple(
        CallResult(f"{operator.name}({call.text})", *outcome)
        for call, outcome in zip(operator.calls, outcomes, strict=True)
    )
    return OperatorRow(
        operator.name,
        candidate.language,
        calls,
        raced.get("seconds"),
        raced.get("speedups", {}),
        Efficiency(raced["bandwidth"], raced["peak"]) if "bandwidth" in raced else None,
        str(raced.get("reason") or raced.get("note") or ""),
        lost=not raced.get("right", True),
    )


def _missing(operator: Operator) -> OperatorRow:
    calls = [f"{operator.name}({call.text})" for call in operator.calls]
    absent = tuple(CallResult(call, "missing", "there is no candidate") for call in calls)
    return OperatorRow(operator.name, "", absent)
