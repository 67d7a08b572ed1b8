"""When a search ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mercer.lab.search.entry import Entry


@dataclass(frozen=True)
class Budget:
    """The first of these that is reached ends the search.

    Parameters
    ----------
    seconds : float
        Of proposing and evaluating, over all the processes that worked at the run.
    candidates : int, optional
    speedup : float, optional
        That the best candidate has to reach.
    patience : int, optional
        Candidates in a row that do not improve on the best by `least`.
    least : float
        Smallest relative improvement that counts.
    """

    seconds: float = math.inf
    candidates: int | None = None
    speedup: float | None = None
    patience: int | None = None
    least: float = 0.01

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"seconds must be positive, got {self.seconds}")
        limits = (self.candidates, self.speedup, self.patience)
        if math.isinf(self.seconds) and all(limit is None for limit in limits):
            raise ValueError("a budget must limit something: seconds, candidates, patience ...")

    def spent(self, entries: Sequence[Entry], seconds: float) -> str:
        """Return why the search ends here, or "" if it goes on."""
        judged = [e for e in entries if e.state == "judged"]
        best, since = -math.inf, 0
        for entry in judged:
            fitness = entry.fitness
            since += 1
            if fitness is not None and fitness > best + math.log1p(self.least):
                best, since = fitness, 0
        if self.speedup is not None and best >= math.log(self.speedup):
            return f"a speedup of {self.speedup:g} is reached"
        if self.candidates is not None and len(judged) >= self.candidates:
            return f"{self.candidates} candidates are judged"
        if seconds >= self.seconds:
            return f"{self.seconds:g} seconds are spent"
        if self.patience is not None and since >= self.patience and judged:
            return f"{self.patience} candidates in a row brought no progress"
        return ""

    def json(self) -> dict[str, Any]:
        """Return what JSON carries."""
        return asdict(self)
