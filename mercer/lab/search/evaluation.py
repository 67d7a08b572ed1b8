"""What an evaluation of a candidate says, and the number that the search maximises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Judgement(Protocol):
    """The part of a verdict that the search reads."""

    @property
    def right(self) -> bool:
        """Whether the candidate computes what the reference does."""
        ...

    @property
    def stage(self) -> str:
        """Where it failed."""
        ...

    @property
    def reason(self) -> str:
        """Why, in one sentence."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """A candidate's verdict and times.

    Parameters
    ----------
    verdict : Judgement
        With `right`, `stage` and `reason`: a `mercer.lab.verify.Verdict` is one.
    seconds : float, optional
        Of one call; None if it was not timed.
    baseline_seconds : float, optional
        Of one call of the baseline, in the same race.
    error : str
        Why a right candidate could not be timed; empty if it was.
    """

    verdict: Judgement
    seconds: float | None = None
    baseline_seconds: float | None = None
    error: str = ""

    def __post_init__(self) -> None:
        for name in ("seconds", "baseline_seconds"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, got {value}")

    @property
    def fitness(self) -> float | None:
        """The logarithm of the speedup over the baseline; None for what failed."""
        if not self.verdict.right or self.seconds is None or self.baseline_seconds is None:
            return None
        return math.log(self.baseline_seconds / self.seconds)

    @property
    def failure(self) -> str:
        """The stage that failed, "timing" if the race did, or ""."""
        if not self.verdict.right:
            return self.verdict.stage or "wrong"
        return "" if self.fitness is not None else "timing"
