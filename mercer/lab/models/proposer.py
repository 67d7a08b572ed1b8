"""A proposer that needs no language model: schedules over the grammar of templates."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from mercer.lab.candidate import Candidate
from mercer.lab.models.completion import Completion
from mercer.lab.problem import Problem
from mercer.lab.templates import Graph, Schedule, Unsupported, emit, mutate, openings, trace

ATTEMPTS = 32


class Proposer:
    """Answers the prompts of the search as a language model would, deterministically.

    It reads the last JSON block of a prompt, which tells how many candidates there were and which
    schedules the parents had, and answers with a candidate in a ``python`` block and its schedule
    in a ``json`` block. The first answers are the naive program and the likeliest schedules; later
    ones vary a parent's.

    Parameters
    ----------
    problem : Problem
    size : str
        The size that candidates should be fast at.
    language : {"triton", "cpp"}
    """

    def __init__(self, problem: Problem, *, size: str = "race", language: str = "triton") -> None:
        problem.size(size)
        self.problem, self.size, self.language = problem, size, language
        self.name = f"proposer-{language}"
        self._graph: Graph | None = None
        self._openings: list[Schedule] | None = None

    @property
    def graph(self) -> Graph:
        """The reference's operations, traced on first use."""
        if self._graph is None:
            self._graph = trace(self.problem)
        return self._graph

    @property
    def openings(self) -> Sequence[Schedule]:
        """The schedules that are tried first, different programs each."""
        if self._openings is None:
            found: dict[str, Schedule] = {}
            for schedule in openings(self.graph, size=self.size, language=self.language):
                try:
                    text = emit(self.graph, schedule, size=self.size).source
                except Unsupported:
                    continue
                found.setdefault(text, schedule)
            self._openings = list(found.values())
        return self._openings

    def complete(
        self,
        prompt: str,
        *,
        seed: int = 0,
        temperature: float = 0.7,
        maximum_tokens: int = 8192,
    ) -> Completion:
        """Answer a prompt; temperature and length are of no consequence.

        Raises
        ------
        Unsupported
            If no program can be written for the problem's reference.
        """
        state = state_of(prompt)
        number = state.get("number", 0)
        parents = [p["schedule"] for p in state.get("parents", []) if p.get("schedule")]
        if number < len(self.openings):
            schedule = self.openings[number]
            candidate = emit(self.graph, schedule, size=self.size)
            return _answer(candidate, schedule, "an opening")
        start = Schedule.read(parents[0]) if parents else self.openings[-1]
        text = emit(self.graph, start, size=self.size).source
        reason: Exception | None = None
        for attempt in range(ATTEMPTS):
            key = hashlib.sha256(f"{seed} {number} {attempt}".encode()).digest()
            drawn = int.from_bytes(key[:8], "big")
            schedule = mutate(self.graph, start, size=self.size, seed=drawn)
            try:
                candidate = emit(self.graph, schedule, size=self.size)
            except Unsupported as error:  # this step leads nowhere; take another
                reason = error
                continue
            if candidate.source != text:
                return _answer(candidate, schedule, "a variation of the parent")
            start = schedule  # a choice that this language does not have: go on from there
        raise Unsupported(f"no variation of the parent can be written: {reason}")


def _answer(candidate: Candidate, schedule: Schedule, what: str) -> Completion:
    text = (
        f"This is {what}.\n\n```python\n{candidate.source}```\n\n"
        f"```json\n{json.dumps({'schedule': schedule.json()})}\n```\n"
    )
    return Completion(text)


def state_of(prompt: str) -> dict[str, Any]:
    """Return what the last JSON block of a prompt holds, or nothing."""
    blocks = re.findall(r"^```json\n(.*?)^```", prompt, re.DOTALL | re.MULTILINE)
    try:
        state = json.loads(blocks[-1]) if blocks else {}
    except json.JSONDecodeError:
        return {}
    return state if isinstance(state, dict) else {}
