"""One program in a race: its worker, its inputs on the device, its clock."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from types import TracebackType

from torch import Tensor

from mercer.lab.candidate import Candidate
from mercer.lab.runner.outputs import Outputs
from mercer.lab.runner.session import Refused, Session, room
from mercer.lab.runner.state import STATE_SEED
from mercer.lab.sandbox import Pool, WorkerLost
from mercer.lab.timing.course import Course

FAILURES = (Refused, WorkerLost)  # what a program can do to its contender
SMALL, LARGE = 1 << 20, 1 << 26  # bytes of a call: looking at one costs ms, a part of a second


class Contender:
    """A candidate that is loaded in a worker of its own and has its inputs ready.

    Its worker runs only while it is asked: nothing of it is there to disturb the others' clocks.

    Parameters
    ----------
    pool : Pool
    course : Course
        The problem at one size, with the inputs of every set.
    candidate : Candidate
    timeout : float
        Seconds for one command, compilation at the first call included.
    trusted : bool, optional
        Whether its outputs need no looks: a baseline's.
    """

    def __init__(
        self,
        pool: Pool,
        course: Course,
        candidate: Candidate,
        *,
        timeout: float,
        trusted: bool = False,
    ) -> None:
        self.candidate, self.course = candidate, course
        self.lost = False
        self.calls = self._runs = 0  # of the last run, and runs of so many
        self.committed = len(course.sets)  # calls of a run of which all outputs are kept
        self._chance = random.SystemRandom()
        looks = 0 if trusted else 16 if course.bytes < SMALL else 4 if course.bytes < LARGE else 2
        self._looks: list[tuple[Callable[[], list[Tensor]], Outputs] | None] = [None] * looks
        regions = {
            "in": room(course.state, *([*s, *course.cotangents_given] for s in course.sets)),
            "out": room(course.expected),
        }
        self._worker = pool.worker(regions)
        try:
            self.session = Session(
                self._worker, course.problem, candidate, pool.device, timeout=timeout
            )
            self._prepare()
        except BaseException:
            self._worker.close()
            raise
        self._worker.pause()

    def _prepare(self) -> None:
        course = self.course
        self.session.load(course.size, course.dtype, STATE_SEED)
        self.session.prepare(
            course.sets,
            expected=course.expected,
            cotangents=course.cotangents,
            shifts=course.shifts,
            rounds=course.rounds,
            backward=course.backward,
        )

    @contextlib.contextmanager
    def _awake(self) -> Iterator[None]:
        """Let the worker run; take note if it is lost."""
        self._worker.resume()
        try:
            yield
        except WorkerLost:
            self.lost = True
            raise
        finally:
            self._worker.pause()

    def __call__(self, calls: int) -> float:
        """Return the seconds of so many calls by the judge's clock.

        Only then is it drawn whether this run is one that is looked at, and which outputs of it:
        every run of as many calls has the same chance. Who skips work in most runs but not in the
        last one is seen.
        """
        if calls != self.calls:
            self.calls, self._runs = calls, 0
        with self._awake():
            seconds = self.session.time(calls)
            self._runs += 1
            drawn = [k for k in range(len(self._looks)) if self._chance.random() * self._runs < 1]
            used = min(calls, self.committed)
            for k, index in zip(drawn, self._chance.choices(range(used), k=len(drawn))):
                self._looks[k] = self.session.deliver(index)
        return seconds

    def rehearse(self, calls: int) -> float:
        """Return the seconds of so many calls, and look at none of them: a look costs its copy."""
        with self._awake():
            return self.session.time(calls)

    def shortest(self, calls: int, runs: int = 5) -> float:
        """Return the seconds of the fastest of some runs."""
        return min(self(calls) for _ in range(runs))

    def verify(self) -> str:
        """Return why what a timed call returned is wrong; empty if it is right."""
        for look in self._looks:
            if look is None:
                continue
            inputs, outputs = look
            if not outputs.settled:
                return "its outputs changed after the clock had stopped"
            reason = self.course.compare(inputs(), outputs)
            if reason:
                return reason
        return ""

    def close(self) -> None:
        """End the worker."""
        self._worker.close()

    def __enter__(self) -> Contender:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
