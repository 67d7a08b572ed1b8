"""An agent, a clock and a budget: what it handed in, when, and how good it was."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mercer.lab.budget.score import normalised_score
from mercer.lab.candidate import Candidate


class Evaluated(Protocol):
    """What an evaluation must say: right or not, how long it takes, and why if it is not."""

    @property
    def right(self) -> bool:
        """Whether the candidate computes what it should."""

    @property
    def seconds(self) -> float:
        """Of one call; not read where it is not right."""

    @property
    def reason(self) -> str:
        """Why it was refused; empty where it was not."""


@dataclass(frozen=True)
class Attempt:
    """One candidate of a run, by the time at which its evaluation had ended."""

    elapsed: float
    candidate: Candidate
    right: bool
    seconds: float
    reason: str


@dataclass(frozen=True)
class AgentRun:
    """All attempts of one run, those that ended after the budget too.

    Parameters
    ----------
    budget : float
        In seconds; what ended later does not count.
    start, reference : float
        Seconds of the program that the agent was given, and of the expert's.
    attempts : tuple of Attempt
    """

    budget: float
    start: float
    reference: float
    attempts: tuple[Attempt, ...]

    def score_at(self, elapsed: float) -> float:
        """Return the best normalised score that was reached by then, within the budget."""
        limit = min(elapsed, self.budget)
        right = [a.seconds for a in self.attempts if a.right and a.elapsed <= limit]
        return normalised_score(
            min(right, default=math.inf), start=self.start, reference=self.reference
        )

    @property
    def score(self) -> float:
        """The best normalised score within the budget."""
        return self.score_at(self.budget)


# Attempts so far and the seconds left in; a candidate out, or None to stop early.
Agent = Callable[[Sequence[Attempt], float], Candidate | None]


def run_agent(
    agent: Agent,
    evaluate: Callable[[Candidate], Evaluated],
    *,
    budget: float,
    start: float,
    reference: float,
    clock: Callable[[], float] = time.monotonic,
) -> AgentRun:
    """Let an agent hand in candidates until its budget is spent.

    Thinking and evaluating both count. An attempt that is being evaluated when the time ends is
    kept, and does not count. Ctrl-C ends the run; what was handed in is kept.

    Parameters
    ----------
    agent : callable
        From the attempts so far and the seconds left to the next candidate, or None to stop.
    evaluate : callable
        From a candidate to something with `right`, `seconds` and `reason`.
    budget : float
        In seconds of `clock`.
    start, reference : float
        Seconds of the program at hand and of the reference.

    Raises
    ------
    ValueError
        If the budget is not positive or the reference is not faster than the start.
    """
    if not budget > 0:
        raise ValueError(f"budget must be positive, got {budget}")
    normalised_score(start, start=start, reference=reference)  # refuses a slow reference now
    begin = clock()
    attempts: list[Attempt] = []
    try:
        while (left := budget - (clock() - begin)) > 0:
            candidate = agent(tuple(attempts), left)
            if candidate is None:
                break
            result = evaluate(candidate)
            attempts.append(
                Attempt(clock() - begin, candidate, result.right, result.seconds, result.reason)
            )
    except KeyboardInterrupt:
        pass
    return AgentRun(budget, start, reference, tuple(attempts))
