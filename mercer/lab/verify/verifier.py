"""Who reads a candidate's text before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mercer.lab.candidate import Candidate
from mercer.lab.problem import Problem


@dataclass(frozen=True)
class Opinion:
    """Whether a candidate may go on, and why.

    Parameters
    ----------
    accept : bool
    reason : str
        One or a few sentences.
    """

    accept: bool
    reason: str


class Verifier(Protocol):
    """Anything that reads a problem and a candidate and has an opinion."""

    def __call__(self, problem: Problem, candidate: Candidate) -> Opinion:
        """Return the opinion."""
        ...


class Panel:
    """Several verifiers, asked in order; the first that refuses decides.

    Parameters
    ----------
    verifiers : sequence of Verifier
        Cheap ones first.
    """

    def __init__(self, verifiers: Sequence[Verifier]) -> None:
        self.verifiers = tuple(verifiers)

    def __call__(self, problem: Problem, candidate: Candidate) -> Opinion:
        """Return the first refusal, else the reasons of all."""
        reasons = []
        for verifier in self.verifiers:
            opinion = verifier(problem, candidate)
            if not opinion.accept:
                return opinion
            reasons.append(opinion.reason)
        return Opinion(True, " ".join(reasons))
