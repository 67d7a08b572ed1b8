"""One program in a race: its worker, its inputs on the device, its clock."""

from __future__ import annotations

import random
from types import TracebackType

from mercer.lab.candidate import Candidate
from mercer.lab.runner.session import Session, room
from mercer.lab.sandbox import Pool, WorkerLost
from mercer.lab.timing.course import Course

LARGE = 1 << 26  # bytes of a call from which on looking at one costs a good part of a second


class Contender:
    """A candidate that is loaded in a worker of its own and has its inputs ready.

    Parameters
    ----------
    pool : Pool
    course : Course
        The problem at one size, with the inputs of every set.
    candidate : Candidate
    timeout : float
        Seconds for one command, compilation at the first call included.
    """

    def __init__(self, pool: Pool, course: Course, candidate: Candidate, *, timeout: float) -> None:
        self.candidate, self.course = candidate, course
        self.lost = False
        self._used = 0
        regions = {
            "in": room(course.state, *([*s, *course.cotangents_given] for s in course.sets)),
            "out": room(course.expected),
        }
        self._worker = pool.worker(regions)
        try:
            self.session = Session(
                self._worker, course.problem, candidate, pool.device, timeout=timeout
            )
            self.session.load(course.size, course.dtype, course.seed)
            self.session.prepare(
                course.sets,
                expected=course.expected,
                cotangents=course.cotangents,
                shifts=course.shifts,
                rounds=course.rounds,
                backward=course.backward,
            )
        except BaseException:
            self._worker.close()
            raise

    def __call__(self, calls: int) -> float:
        """Return the seconds of so many calls by the judge's clock."""
        self._used = min(calls, len(self.course.sets))
        try:
            return self.session.time(calls)
        except WorkerLost:
            self.lost = True
            raise

    def verify(self) -> str:
        """Return why what a timed call returned is wrong; empty if it is right.

        Looked at are the last calls on some of the sets, and only now is it drawn which: two at
        least, so that one remembered answer cannot do for all.
        """
        looks = 2 if self.course.bytes > LARGE else 4
        for index in random.SystemRandom().sample(range(self._used), min(looks, self._used)):
            inputs, outputs = self.session.deliver(index)
            if not outputs.settled:
                return "its outputs changed after the clock had stopped"
            reason = self.course.compare(inputs, outputs)
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
