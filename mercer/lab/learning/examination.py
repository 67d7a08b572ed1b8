"""One candidate, from its text to its speed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from mercer.lab.candidate import Candidate
from mercer.lab.learning.coverage import coverage, kernel_names
from mercer.lab.learning.outcome import Outcome
from mercer.lab.learning.rule import KernelRule
from mercer.lab.problem import Problem
from mercer.lab.runner.session import Refused
from mercer.lab.sandbox import Pool, WorkerLost
from mercer.lab.timing.contender import Contender
from mercer.lab.timing.course import Course
from mercer.lab.timing.machine import Machine
from mercer.lab.timing.race import race
from mercer.lab.verify.check import check
from mercer.lab.verify.verifier import Verifier

BUILT = ("interface", "conduct", "value", "right")  # stages of a verdict on what was compiled


@dataclass(frozen=True)
class Examination:
    """Rule, check, race and, if asked, profile, in this order, up to the first failure.

    Parameters
    ----------
    rule : Verifier, optional
        Reads the text; what it refuses is not run. None: everything is run.
    sizes : sequence of str, optional
        That are checked.
    seeds : int, optional
    backward : bool, optional
        Whether gradients are checked.
    size : str, optional
        That is timed. Default: as `race`.
    baseline : str, optional
        That the speed-up is over.
    precision, block, fewest, most
        As in `race`.
    profile : bool, optional
        Whether to measure the coverage; needs workers of `mercer.lab.learning.profiling`, a GPU.
    timeout : float, optional
        Seconds for one command.
    machine : Machine, optional
        Default: measured in every race.
    """

    rule: Verifier | None = field(default_factory=KernelRule)
    sizes: Sequence[str] = ("odd", "small")
    seeds: int = 1
    backward: bool = False
    size: str | None = None
    baseline: str = "eager"
    precision: float = 0.02
    block: float = 0.02
    fewest: int = 5
    most: int = 20
    profile: bool = False
    timeout: float = 60.0
    machine: Machine | None = None

    def __call__(
        self,
        problem: Problem,
        candidate: Candidate,
        *,
        pool: Pool,
        alone: contextlib.AbstractContextManager[Any] | None = None,
        seed: int = 0,
    ) -> Outcome:
        """Return what became of a candidate.

        Parameters
        ----------
        problem : Problem
        candidate : Candidate
        pool : Pool
        alone : context manager, optional
            Held during the race, which others' work would disturb.
        seed : int, optional
        """
        if self.rule is not None:
            opinion = self.rule(problem, candidate)
            if not opinion.accept:
                told = f"refused without being run: {opinion.reason}"
                return Outcome("rule", feedback=told, attempts=0)
        verdict = check(
            problem,
            candidate,
            pool=pool,
            device=pool.device,
            sizes=self.sizes,
            seeds=self.seeds,
            backward=self.backward,
            seed=seed,
            timeout=self.timeout,
        )
        compiled, detail = verdict.stage in BUILT, verdict.json()
        if not verdict.right:
            told = str(verdict)
            lost = verdict.stage == "worker"
            return Outcome("lost" if lost else "check", compiled, feedback=told, detail=detail)
        with alone or contextlib.nullcontext():
            return self._timed(problem, candidate, pool, detail, seed)

    def _timed(
        self, problem: Problem, candidate: Candidate, pool: Pool, detail: dict[str, Any], seed: int
    ) -> Outcome:
        found = race(
            problem,
            [Candidate(candidate.source, candidate.language)],
            pool=pool,
            size=self.size,
            baselines=(self.baseline,),
            precision=self.precision,
            block=self.block,
            fewest=self.fewest,
            most=self.most,
            seed=seed,
            timeout=self.timeout,
            machine=self.machine,
        )
        entry = found.entries[-1]
        if not entry.right:
            lost = entry.reason.partition(":")[0] in ("timed out", "crashed", "memory", "exited")
            told = f"right when checked, but in the race: {entry.reason}"
            return Outcome("lost" if lost else "race", True, feedback=told, detail=detail)
        speedup = entry.speedups[self.baseline].median
        told = (
            f"right, and {speedup:.2f} times as fast as {self.baseline}: "
            f"{1e6 * entry.seconds:.1f} us a call; no program can need less than "
            f"{1e6 * found.floor:.1f} us."
        )
        share = math.nan
        if self.profile:
            share = self._coverage(problem, candidate, pool, found.size, seed)
            told += f" Its own kernels take {100 * share:.0f} % of the device's time."
        return Outcome("right", True, True, speedup, share, told, detail=detail)

    def _coverage(
        self, problem: Problem, candidate: Candidate, pool: Pool, size: str, seed: int
    ) -> float:
        course = Course(problem, size, device=pool.device, dtype=torch.float32, seed=seed)
        try:
            with Contender(pool, course, candidate, timeout=self.timeout) as contender:
                contender.rehearse(len(course.sets))
                reply = contender.session.worker.request(
                    {"command": "profile"}, timeout=self.timeout
                )
        except (WorkerLost, Refused):
            return 0.0
        told = reply.get("kernels")
        if reply.get("ok") is not True or not isinstance(told, dict):
            raise RuntimeError(f"the worker cannot profile: {reply.get('error', 'no kernels')}")
        times = {str(k): float(v) for k, v in told.items() if isinstance(v, (int, float))}
        return coverage(times, kernel_names(candidate))
