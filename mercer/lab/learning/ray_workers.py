"""Candidates examined by Ray actors, on one machine or many."""

from __future__ import annotations

import functools
import queue
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mercer import checks
from mercer.lab.candidate import Candidate
from mercer.lab.learning.examination import Examination
from mercer.lab.learning.outcome import Outcome
from mercer.lab.learning.profiling import HANDLER
from mercer.lab.learning.station import Station
from mercer.lab.learning.workers import Workers
from mercer.lab.problem import Problem
from mercer.lab.sandbox import Limits, Pool


class Examiner:
    """What each actor runs: a station in a process of its own."""

    def __init__(self, examination: Examination, options: dict[str, Any]) -> None:
        self.station = Station(examination, functools.partial(Pool, **options))

    def examine(self, problem: Problem, candidate: Candidate, seed: int) -> Outcome:
        """Return the outcome of a candidate."""
        return self.station(problem, candidate, seed=seed)

    def process(self) -> int:
        """Return the number of the actor's process."""
        import os

        return os.getpid()


class RayWorkers(Workers):
    """One actor per slot; one that is lost is replaced, and its candidate examined again.

    Ray carries problems to actors and outcomes back, all of them the judge's own objects; what a
    candidate says still reaches an actor through the sandbox alone.

    Parameters
    ----------
    examination : Examination, optional
    count : int, optional
        Actors. On GPUs each takes one.
    device : {"cpu", "cuda"}, optional
    limits : Limits, optional
    isolation : str, optional
    cpus : float, optional
        Of each actor.
    attempts : int, optional
        Actors that a candidate may lose before its outcome is "lost".

    Raises
    ------
    ImportError
        Ray is not installed.
    RuntimeError
        ``ray.init`` has not been called.
    """

    def __init__(
        self,
        examination: Examination | None = None,
        *,
        count: int = 1,
        device: str = "cpu",
        limits: Limits | None = None,
        isolation: str = "namespaces",
        cpus: float = 1.0,
        attempts: int = 2,
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise ImportError("RayWorkers needs Ray; pip install ray") from error
        if not ray.is_initialized():
            raise RuntimeError("RayWorkers needs a cluster; call ray.init() first")
        self.count = checks.count("count", count)
        self.attempts = checks.count("attempts", attempts)
        self._ray = ray
        self._actor = ray.remote(num_cpus=cpus, num_gpus=float(device == "cuda"))(Examiner)
        self._arguments = (
            examination or Examination(),
            {"device": device, "limits": limits, "isolation": isolation, "handler": HANDLER},
        )
        self.replaced = 0
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(self._actor.remote(*self._arguments))
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="mercer-ray")

    def submit(self, problem: Problem, candidate: Candidate, *, seed: int = 0) -> Future[Outcome]:
        """Return the promise of an outcome."""
        return self._threads.submit(self._examine, problem, candidate, seed)

    def _examine(self, problem: Problem, candidate: Candidate, seed: int) -> Outcome:
        actor = self._free.get()
        try:
            for _ in range(self.attempts):
                try:
                    outcome: Outcome = self._ray.get(actor.examine.remote(problem, candidate, seed))
                    return outcome
                except self._ray.exceptions.RayActorError as error:
                    told = str(error).splitlines()[0]
                    actor = self._actor.remote(*self._arguments)
                    self.replaced += 1
            feedback = f"lost: {self.attempts} actors ended while they examined it; {told}"
            return Outcome("lost", feedback=feedback, attempts=self.attempts, blame="device")
        finally:
            self._free.put(actor)

    def processes(self) -> list[int]:
        """Return the numbers of the actors' processes; those at work answer when they are done."""
        actors = [self._free.get() for _ in range(self.count)]
        try:
            return [int(self._ray.get(actor.process.remote())) for actor in actors]
        finally:
            for actor in actors:
                self._free.put(actor)

    def close(self) -> None:
        """Wait for what was handed in and end the actors."""
        self._threads.shutdown(wait=True)
        while not self._free.empty():
            self._ray.kill(self._free.get())
