"""A candidate as the database knows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A node of the search graph.

    Parameters
    ----------
    number : int
        It was the run's number-th candidate, from 0.
    digest, source, language, schedule : str
        `schedule` is empty where a model wrote the text freely.
    parents : tuple of str
        Digests.
    island : int
        The population that it belongs to.
    state : {"proposed", "judged"}
    right : bool
    stage, reason : str
        What the verdict says.
    error : str
        Why it was not timed.
    seconds, baseline_seconds : float, optional
    """

    number: int
    digest: str
    source: str
    language: str
    schedule: str
    parents: tuple[str, ...]
    island: int
    state: str
    right: bool = False
    stage: str = ""
    reason: str = ""
    error: str = ""
    seconds: float | None = None
    baseline_seconds: float | None = None

    @property
    def fitness(self) -> float | None:
        """The logarithm of the speedup; None for what failed or is not judged."""
        if not self.right or self.seconds is None or self.baseline_seconds is None:
            return None
        return math.log(self.baseline_seconds / self.seconds)

    @property
    def speedup(self) -> float | None:
        """How many times as fast as the baseline it is."""
        return None if self.fitness is None else math.exp(self.fitness)

    @property
    def failure(self) -> str:
        """What kind of failure it is; empty for a success or what is not judged."""
        if self.state != "judged" or self.fitness is not None:
            return ""
        return "timing" if self.right else self.stage or "wrong"

    def json(self) -> dict[str, Any]:
        """Return what JSON carries."""
        return {**self.__dict__, "parents": list(self.parents), "speedup": self.speedup}
