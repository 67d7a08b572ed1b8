"""Check a candidate, then time it beside a baseline that stays ready."""

from __future__ import annotations

import contextlib
import functools
import secrets
import statistics
import threading
from collections.abc import Sequence
from types import TracebackType

import torch

from mercer.lab.candidate import Candidate
from mercer.lab.problem import Problem
from mercer.lab.problems import standalone
from mercer.lab.sandbox import Pool
from mercer.lab.search.evaluation import Evaluation, Judgement
from mercer.lab.timing.baseline import baseline as baseline_of
from mercer.lab.timing.contender import FAILURES, Contender
from mercer.lab.timing.course import Course
from mercer.lab.timing.machine import Machine, measure_machine
from mercer.lab.timing.objection import objection, skipping
from mercer.lab.timing.rounds import calls_for, paired_rounds
from mercer.lab.verify import Verifier, check


class Evaluator:
    """What a search asks of every candidate: is it right, and how fast beside the baseline.

    The check is the one of `mercer.lab.verify` at the sizes named; the timing is a short race, in
    a worker that the baseline keeps over all candidates. Usable as a context manager.

    Parameters
    ----------
    problem : Problem
    pool : Pool
        Its device is where everything runs.
    baseline : {"compiled", "eager", "max-autotune", "cuda-graphs"}, optional
    size : str, optional
        Of the timing. Default: "race" on a GPU, "desk" on a CPU.
    dtype : torch.dtype, optional
    sizes : sequence of str, optional
        Of the check.
    seeds : int, optional
        Of the check.
    scales : sequence of float, optional
    layouts : sequence of str, optional
    backward : bool, optional
        Whether gradients are checked too; what is timed is the forward call.
    verifier : Verifier, optional
        Reads a candidate's text before anything runs.
    trusted : bool, optional
        Whether candidates are known to do all their work, as the built-in proposer's do; of others
        short runs, whose outputs can all be looked at, are timed beside the long ones.
    rounds : int, optional
        Of the race.
    block : float, optional
        Seconds of calls between two looks at the clock.
    timeout : float, optional
        Seconds for one command, compilation included.
    machine : Machine, optional
        Default: measured now.
    seed : int, optional
        Of the inputs. Default: drawn, so that no candidate can know it.
    clock : context manager, optional
        Held while something is timed: evaluators in several threads share one lock.

    Examples
    --------
    >>> from mercer.lab.problems import find
    >>> from mercer.lab.sandbox import Pool
    >>> with Pool() as pool, Evaluator(find("softmax"), pool=pool) as evaluate:  # doctest: +SKIP
    ...     print(evaluate(candidate).fitness)
    """

    def __init__(
        self,
        problem: Problem,
        *,
        pool: Pool,
        baseline: str = "compiled",
        size: str | None = None,
        dtype: torch.dtype = torch.float32,
        sizes: Sequence[str] = ("odd", "small"),
        seeds: int = 1,
        scales: Sequence[float] = (1.0,),
        layouts: Sequence[str] = ("contiguous", "strided"),
        backward: bool = False,
        verifier: Verifier | None = None,
        trusted: bool = False,
        rounds: int = 7,
        block: float = 0.02,
        timeout: float = 120.0,
        machine: Machine | None = None,
        seed: int | None = None,
        clock: contextlib.AbstractContextManager[object] | None = None,
    ) -> None:
        self.problem, self.pool, self.dtype = problem, pool, dtype
        seed = secrets.randbits(31) if seed is None else seed
        self.size = size or ("desk" if pool.device == "cpu" else "race")
        self.trusted, self.rounds, self.block, self.timeout = trusted, rounds, block, timeout
        self._check = functools.partial(
            check,
            problem,
            pool=pool,
            device=pool.device,
            sizes=sizes,
            dtypes=(dtype,),
            seeds=seeds,
            scales=scales,
            layouts=layouts,
            backward=backward,
            verifier=verifier,
            timeout=timeout,
            seed=seed,
        )
        self.clock = clock or threading.Lock()
        self.candidate = baseline_of(standalone(problem), baseline)
        self.course = Course(problem, self.size, device=pool.device, dtype=dtype, seed=seed)
        with self.clock:
            self.machine = machine or measure_machine(pool.device)
        self.floor = self.machine.floor(bytes=self.course.bytes, operations=0)
        self._baseline: tuple[Contender, int] | None = None

    def __call__(self, candidate: Candidate) -> Evaluation:
        """Check a candidate and, if it is right, time it; its own failures are never raised."""
        verdict = self._check(candidate)
        if not verdict.right:
            return Evaluation(verdict)
        try:
            base, calls = self._ready()  # first: the candidate may take all memory there is
            with Contender(self.pool, self.course, candidate, timeout=self.timeout) as entrant:
                entrant.rehearse(1)  # compiles, while others may be timed
                with self.clock:
                    seconds = self._timed(entrant, base, calls)
                reason = objection(entrant, seconds["candidate"], self.floor)
                if not reason and not self.trusted:
                    with self.clock:
                        pace = base, seconds["baseline"]
                        reason = skipping(entrant, seconds["candidate"], pace)
                return self._judged(verdict, reason, seconds)
        except FAILURES as error:
            if self._baseline is None or not self._baseline[0].lost:
                return Evaluation(verdict, error=str(error))
        self.close()  # the baseline came to the end of what a worker may use: make another one
        return self(candidate)

    def _timed(self, entrant: Contender, base: Contender, calls: int) -> dict[str, list[float]]:
        ran = paired_rounds(
            {"baseline": base, "candidate": entrant},
            {"baseline": calls, "candidate": calls_for(entrant.rehearse, block=self.block)},
            baseline="baseline",
            precision=0.0,
            fewest=self.rounds,
            most=self.rounds,
            seed=0,
            lost=lambda name, error: None,
        )
        *_, seconds = ran
        return seconds

    def _judged(
        self, verdict: Judgement, reason: str, seconds: dict[str, list[float]]
    ) -> Evaluation:
        if reason:
            return Evaluation(verdict, error=reason)
        own = statistics.median(seconds["candidate"])
        ratios = [b / c for b, c in zip(seconds["baseline"], seconds["candidate"])]
        return Evaluation(verdict, own, own * statistics.median(ratios))

    def _ready(self) -> tuple[Contender, int]:
        """The baseline, loaded and compiled, and how often it is called in a block."""
        if self._baseline is None:
            base = Contender(
                self.pool, self.course, self.candidate, timeout=self.timeout, trusted=True
            )
            try:
                base.rehearse(1)  # compiles
                with self.clock:
                    self._baseline = base, calls_for(base.rehearse, block=self.block)
            except FAILURES as error:
                base.close()
                raise RuntimeError(
                    f"{self.candidate.name} cannot run {self.problem.name}: {error}"
                ) from error
        return self._baseline

    def close(self) -> None:
        """End the baseline's worker."""
        if self._baseline is not None:
            self._baseline[0].close()
            self._baseline = None

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
