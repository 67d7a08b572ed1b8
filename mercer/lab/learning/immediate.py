"""Outcomes by a formula: to try a recipe before a machine is spent on it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from mercer.lab.candidate import Candidate
from mercer.lab.learning.outcome import Outcome
from mercer.lab.learning.workers import Workers
from mercer.lab.problem import Problem
from mercer.lab.verify.verifier import Verifier


class Immediate(Workers):
    """Apply a rule, then a function, in this thread.

    Parameters
    ----------
    examine : callable
        A problem and a candidate in, an `Outcome` out.
    rule : Verifier, optional
        What it refuses is not examined.
    """

    def __init__(
        self,
        examine: Callable[[Problem, Candidate], Outcome],
        rule: Verifier | None = None,
    ) -> None:
        self.examine, self.rule = examine, rule

    def submit(self, problem: Problem, candidate: Candidate, *, seed: int = 0) -> Future[Outcome]:
        """Return a promise that is kept already."""
        promise: Future[Outcome] = Future()
        opinion = self.rule(problem, candidate) if self.rule is not None else None
        if opinion is not None and not opinion.accept:
            told = f"refused without being run: {opinion.reason}"
            promise.set_result(Outcome("rule", feedback=told, attempts=0))
        else:
            promise.set_result(self.examine(problem, candidate))
        return promise

    def close(self) -> None:
        """Nothing is left to end."""
