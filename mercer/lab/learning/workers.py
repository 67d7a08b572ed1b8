"""Many candidates at once: hand one in, get a promise of its outcome."""

from __future__ import annotations

import functools
import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from mercer import checks
from mercer.lab.candidate import Candidate
from mercer.lab.learning.examination import Examination
from mercer.lab.learning.outcome import Outcome
from mercer.lab.learning.profiling import HANDLER
from mercer.lab.learning.station import Station
from mercer.lab.problem import Problem
from mercer.lab.sandbox import Limits, Pool


class Workers(ABC):
    """Anything that examines candidates; a context manager."""

    @abstractmethod
    def submit(self, problem: Problem, candidate: Candidate, *, seed: int = 0) -> Future[Outcome]:
        """Return the promise of an outcome, which is kept whatever the candidate does."""

    @abstractmethod
    def close(self) -> None:
        """Wait for what was handed in and end all processes."""

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class LocalWorkers(Workers):
    """Threads of this process, each with a pool of its own; races run one at a time.

    Parameters
    ----------
    examination : Examination, optional
    count : int, optional
        How many candidates at once.
    device : {"cpu", "cuda"}, optional
    limits : Limits, optional
        Of each sandboxed process.
    isolation : str, optional
        As in `Pool`.
    """

    def __init__(
        self,
        examination: Examination | None = None,
        *,
        count: int = 1,
        device: str = "cpu",
        limits: Limits | None = None,
        isolation: str = "namespaces",
    ) -> None:
        checks.count("count", count)
        self.examination = examination or Examination()
        self._make_pool = functools.partial(
            Pool, device=device, limits=limits, isolation=isolation, handler=HANDLER
        )
        self._racing = threading.Lock()
        self._here = threading.local()
        self._stations: list[Station] = []
        self._first: Station | None = self._station()  # a system that refuses it says so now
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="mercer-examine")

    def _station(self) -> Station:
        station = Station(self.examination, self._make_pool, alone=self._racing)
        self._stations.append(station)
        return station

    def submit(self, problem: Problem, candidate: Candidate, *, seed: int = 0) -> Future[Outcome]:
        """Return the promise of an outcome."""
        return self._threads.submit(self._examine, problem, candidate, seed)

    def _examine(self, problem: Problem, candidate: Candidate, seed: int) -> Outcome:
        if not hasattr(self._here, "station"):
            first, self._first = self._first, None
            self._here.station = first or self._station()
        station: Station = self._here.station
        return station(problem, candidate, seed=seed)

    @property
    def restarts(self) -> int:
        """Pools that had to be made anew."""
        return sum(station.restarts for station in self._stations)

    def close(self) -> None:
        """Wait for what was handed in and end all processes."""
        self._threads.shutdown(wait=True)
        for station in self._stations:
            station.close()
