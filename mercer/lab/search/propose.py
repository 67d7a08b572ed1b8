"""The one operator of the search: from parents, notes and history to a candidate."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mercer.lab.candidate import Candidate, language_of
from mercer.lab.models.completion import Completion, Model
from mercer.lab.problem import Problem
from mercer.lab.search.entry import Entry
from mercer.lab.search.prompt import synthesise
from mercer.lab.search.retrieval import Note


@dataclass(frozen=True)
class Proposal:
    """A candidate and where it comes from.

    Parameters
    ----------
    candidate : Candidate
    schedule : str
        The schedule that it was written from, if the answer names one.
    prompt : str
    completion : Completion
    """

    candidate: Candidate
    schedule: str
    prompt: str
    completion: Completion


def propose(
    problem: Problem,
    parents: Sequence[Entry],
    notes: Sequence[Note],
    history: Sequence[Entry],
    *,
    model: Model,
    language: str,
    seed: int,
    temperature: float = 0.7,
    maximum_tokens: int = 8192,
) -> Proposal:
    """Ask a model for the next candidate: draft, repair, improvement and crossover alike.

    Without parents it is asked for a draft; with a parent that failed, for its repair; with one
    that is right, for something faster; with several, for what they have together.

    Parameters
    ----------
    problem : Problem
    parents, history : sequence of Entry
    notes : sequence of Note
    model : Model
    language : {"torch", "triton", "cuda", "cpp"}
    seed : int
    temperature, maximum_tokens :
        See `Model.complete`.
    """
    prompt = synthesise(problem, parents, notes, history, language=language)
    completion = model.complete(
        prompt, seed=seed, temperature=temperature, maximum_tokens=maximum_tokens
    )
    source = code(completion.text)
    candidate = Candidate(source, language_of(source), f"{problem.name}-{len(history)}")
    return Proposal(candidate, _schedule(completion.text), prompt, completion)


def code(text: str) -> str:
    """Return the last Python block of an answer, or all of it if there is none.

    Examples
    --------
    >>> code("Here:\\n```python\\nx = 1\\n```\\nDone.")
    'x = 1\\n'
    """
    blocks = re.findall(r"^```(?:python|py)?[ \t]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    modules = [block for block in blocks if "class ModelNew" in block]
    found = (modules or blocks or [text])[-1]
    return found if found.strip() else "# The answer is empty.\n"


def _schedule(text: str) -> str:
    blocks = re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    try:
        held = json.loads(blocks[-1]) if blocks else {}
    except json.JSONDecodeError:
        return ""
    return str(held.get("schedule", "")) if isinstance(held, dict) else ""
