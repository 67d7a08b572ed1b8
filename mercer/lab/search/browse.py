"""What a run's graph looks like, for a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mercer.lab.search.database import Database
from mercer.lab.search.entry import Entry


@dataclass(frozen=True)
class Run:
    """A search in a database: `number`, `problem`, `seed`, when it `started`, why it `stopped`."""

    number: int
    problem: str
    seed: int
    settings: str
    started: str
    stopped: str
    seconds: float
    candidates: int

    def json(self) -> dict[str, Any]:
        """Return what JSON carries."""
        return asdict(self)


@dataclass(frozen=True)
class Step:
    """A candidate at which the best speedup grew: its `number`, `digest` and `speedup`."""

    number: int
    digest: str
    speedup: float

    def json(self) -> dict[str, Any]:
        """Return what JSON carries."""
        return asdict(self)


@dataclass(frozen=True)
class Dialogue:
    """What a model was asked for a candidate, with which `seed`, and what it answered."""

    number: int
    model: str
    seed: int
    prompt: str
    text: str
    reasoning: str
    tokens: int

    def json(self) -> dict[str, Any]:
        """Return what JSON carries."""
        return asdict(self)


def runs(database: Database) -> list[Run]:
    """List the runs of a database."""
    rows = database.connection.execute(
        "SELECT run, problem, seed, settings, started, stopped, seconds,"
        " (SELECT COUNT(*) FROM candidates c WHERE c.run = r.run) FROM runs r ORDER BY run"
    )
    return [Run(*row) for row in rows]


def lineage(entries: Sequence[Entry], digest: str) -> list[Entry]:
    """Return a candidate's ancestors, the oldest first, and the candidate itself.

    Raises
    ------
    ValueError
        If the run has no such candidate.
    """
    known = {entry.digest: entry for entry in entries}
    if digest not in known:
        raise ValueError(f"the run has no candidate {digest!r}")
    found: dict[str, Entry] = {}
    waiting = [digest]
    while waiting:
        entry = known[waiting.pop()]
        if entry.digest not in found:
            found[entry.digest] = entry
            waiting += entry.parents
    return sorted(found.values(), key=lambda e: e.number)


def best_over_time(entries: Sequence[Entry]) -> list[Step]:
    """Return the candidates at which the best speedup grew."""
    steps: list[Step] = []
    for entry in entries:
        if entry.speedup is not None and (not steps or entry.speedup > steps[-1].speedup):
            steps.append(Step(entry.number, entry.digest, entry.speedup))
    return steps


def failures(entries: Sequence[Entry]) -> dict[str, int]:
    """Count the failures by kind, the most frequent first."""
    return dict(Counter(e.failure for e in entries if e.failure).most_common())


def edges(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return the graph's edges, (parent, child) by digest."""
    return [(parent, entry.digest) for entry in entries for parent in entry.parents]


def dialogue(database: Database, run: int, number: int) -> Dialogue | None:
    """Return what a model was asked and answered for a candidate, if it was asked."""
    row = database.connection.execute(
        "SELECT p.number, c.model, p.seed, p.text, c.text, c.reasoning, c.tokens"
        " FROM prompts p JOIN completions c USING (prompt) WHERE p.run = ? AND p.number = ?",
        (run, number),
    ).fetchone()
    return None if row is None else Dialogue(*row)
