"""Candidates and baselines, timed side by side by a clock that none of them can reach."""

from __future__ import annotations

import contextlib
import math
import secrets
import statistics
from collections.abc import Callable, Sequence

import torch

from mercer.lab.candidate import Candidate
from mercer.lab.problem import Problem
from mercer.lab.problems import standalone
from mercer.lab.sandbox import Pool
from mercer.lab.timing.baseline import baseline
from mercer.lab.timing.contender import FAILURES, Contender
from mercer.lab.timing.course import Course
from mercer.lab.timing.machine import Machine, measure_machine
from mercer.lab.timing.objection import objection, skipping
from mercer.lab.timing.ratio import paired_ratio
from mercer.lab.timing.result import Entry, Race
from mercer.lab.timing.rounds import calls_for, paired_rounds


def race(
    problem: Problem,
    candidates: Sequence[Candidate],
    *,
    pool: Pool,
    size: str | None = None,
    dtype: torch.dtype = torch.float32,
    baselines: Sequence[str] = ("eager", "compiled"),
    backward: bool = False,
    precision: float = 0.01,
    block: float = 0.05,
    fewest: int = 9,
    most: int = 60,
    seed: int | None = None,
    timeout: float = 180.0,
    machine: Machine | None = None,
    progress: Callable[[str], None] | None = None,
) -> Race:
    """Time candidates beside the reference, all in the same rounds.

    Every contender runs in a worker of its own. In each round each of them runs once, for `block`
    seconds of calls, in shuffled order; the clock is the judge's, and stops when a digest of all
    that came out has arrived. A call's inputs are not those of any call shortly before it and do
    not wait in a cache. Afterwards the last outputs of some sets, which nobody knew, are compared.

    Parameters
    ----------
    problem : Problem
    candidates : sequence of Candidate
        Names that are missing or taken get a number.
    pool : Pool
        Its device is where the race is run.
    size : str, optional
        Default: "race" on a GPU, "desk" on a CPU.
    dtype : torch.dtype, optional
    baselines : sequence of str, optional
        Of "eager", "compiled", "max-autotune", "cuda-graphs"; the first one paces the rounds.
    backward : bool, optional
        Whether a call is forward and backward.
    precision : float, optional
        The race ends when every speed-up is known within this share.
    block : float, optional
        Seconds of calls between two looks at the clock.
    fewest, most : int, optional
        Rounds.
    seed : int, optional
        Of the inputs. Default: drawn, so that no candidate can know it.
    timeout : float, optional
        Seconds for one command, compilation included.
    machine : Machine, optional
        Default: measured now.
    progress : callable, optional
        Called with one line after each round.

    Returns
    -------
    Race
        A candidate that fails, hangs, lies or is faster than memory can be has its reason there.

    Raises
    ------
    ValueError
        For no contender, an unknown size or baseline.
    RuntimeError
        If the first baseline itself fails.
    KeyboardInterrupt
        With the medians so far, if it is stopped after the first round.
    """
    size = size or ("desk" if pool.device == "cpu" else "race")
    seed = secrets.randbits(31) if seed is None else seed
    contenders = [baseline(standalone(problem), mode) for mode in baselines]
    contenders += [_named(c, k) for k, c in enumerate(candidates)]
    if not contenders:
        raise ValueError("a race needs a baseline or a candidate, got none")
    course = Course(problem, size, device=pool.device, dtype=dtype, seed=seed, backward=backward)
    machine = machine or measure_machine(pool.device)
    floor = machine.floor(bytes=course.bytes, operations=0)
    reasons: dict[str, str] = {}
    seconds: dict[str, list[float]] = {}
    first = contenders[0].name
    with contextlib.ExitStack() as stack:
        ready: dict[str, Contender] = {}
        calls: dict[str, int] = {}
        for candidate in contenders:
            name = candidate.name
            try:
                entrant = Contender(
                    pool, course, candidate, timeout=timeout, trusted=name in baselines
                )
                stack.callback(entrant.close)
                calls[name] = calls_for(entrant.rehearse, block=block)
                ready[name] = entrant
            except FAILURES as error:
                if name == first:
                    raise RuntimeError(f"{name} cannot run {problem.name}: {error}") from error
                reasons[name] = str(error)
        try:
            for seconds in paired_rounds(
                ready,
                calls,
                baseline=first,
                precision=precision,
                fewest=fewest,
                most=most,
                seed=seed,
                lost=lambda name, error: reasons.__setitem__(name, str(error)),
                excused=FAILURES,
            ):
                if progress is not None:
                    progress(_line(seconds))
        except KeyboardInterrupt:
            if not seconds:
                raise
            raise KeyboardInterrupt(
                f"race of {problem.name} stopped before outputs were compared: {_line(seconds)}"
            ) from None
        for name, times in seconds.items():
            reasons[name] = objection(ready[name], times, floor)
            if not reasons[name] and name not in baselines:
                reasons[name] = skipping(ready[name], times, (ready[first], seconds[first]))
    entries = [_entry(c, reasons[c.name], seconds, baselines, reasons, floor) for c in contenders]
    return Race(problem.name, size, machine.name, floor, tuple(entries))


def _named(candidate: Candidate, index: int) -> Candidate:
    name = f"{index}: {candidate.name}" if candidate.name else f"candidate {index}"
    return Candidate(candidate.source, candidate.language, name)


def _entry(
    candidate: Candidate,
    reason: str,
    seconds: dict[str, list[float]],
    baselines: Sequence[str],
    reasons: dict[str, str],
    floor: float,
) -> Entry:
    name, rounds = candidate.name, seconds.get(candidate.name, [])
    if reason:
        return Entry(name, candidate.language, False, reason, math.nan, tuple(rounds))
    speedups = {b: paired_ratio(seconds[b], rounds) for b in baselines if not reasons.get(b)}
    median = statistics.median(rounds)
    return Entry(
        name, candidate.language, True, "", median, tuple(rounds), speedups, floor / median
    )


def _line(seconds: dict[str, list[float]]) -> str:
    parts = [f"{name} {1e6 * statistics.median(s):.1f} us" for name, s in seconds.items()]
    return f"round {len(next(iter(seconds.values())))}: {', '.join(parts)}"
