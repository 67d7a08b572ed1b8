"""The memory of searches: one SQLite file, every step committed before the next."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from mercer.lab.candidate import Candidate
from mercer.lab.models.completion import Completion
from mercer.lab.search.entry import Entry
from mercer.lab.search.evaluation import Evaluation

VERSION = 1
TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY, problem TEXT NOT NULL, seed INTEGER NOT NULL,
    settings TEXT NOT NULL, started TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    seconds REAL NOT NULL DEFAULT 0, stopped TEXT NOT NULL DEFAULT '',
    UNIQUE (problem, seed, settings));
CREATE TABLE IF NOT EXISTS candidates (
    run INTEGER NOT NULL REFERENCES runs, number INTEGER NOT NULL, digest TEXT NOT NULL,
    source TEXT NOT NULL, language TEXT NOT NULL, schedule TEXT NOT NULL, name TEXT NOT NULL,
    island INTEGER NOT NULL, PRIMARY KEY (run, number), UNIQUE (run, digest));
CREATE TABLE IF NOT EXISTS parents (
    run INTEGER NOT NULL, child INTEGER NOT NULL, parent TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (run, child, position), FOREIGN KEY (run, child) REFERENCES candidates,
    FOREIGN KEY (run, parent) REFERENCES candidates (run, digest));
CREATE TABLE IF NOT EXISTS prompts (
    prompt INTEGER PRIMARY KEY, run INTEGER NOT NULL, number INTEGER NOT NULL,
    seed INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE (run, number, seed));
CREATE TABLE IF NOT EXISTS completions (
    prompt INTEGER PRIMARY KEY REFERENCES prompts, model TEXT NOT NULL, text TEXT NOT NULL,
    reasoning TEXT NOT NULL, tokens INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts (
    run INTEGER NOT NULL, number INTEGER NOT NULL, correct INTEGER NOT NULL, stage TEXT NOT NULL,
    reason TEXT NOT NULL, error TEXT NOT NULL, PRIMARY KEY (run, number),
    FOREIGN KEY (run, number) REFERENCES candidates);
CREATE TABLE IF NOT EXISTS measurements (
    run INTEGER NOT NULL, number INTEGER NOT NULL, seconds REAL NOT NULL,
    baseline_seconds REAL NOT NULL, PRIMARY KEY (run, number),
    FOREIGN KEY (run, number) REFERENCES verdicts);
"""


@contextmanager
def named(path: str | Path) -> Iterator[None]:
    """Say which file it is that SQLite cannot read or write.

    Raises
    ------
    ValueError
        In place of what SQLite raises.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise ValueError(f"{path} cannot be used as a database: {error}") from error


class Database:
    """A file of runs; usable as a context manager.

    A step of a run is one transaction: a candidate with its prompt, completion and parents; a
    verdict with its measurement. What was committed survives the process, and the next one goes on
    from there.

    Parameters
    ----------
    path : str or Path
        ``":memory:"`` for one that is forgotten.

    Raises
    ------
    ValueError
        If the file cannot be opened, or is of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        with named(path), ExitStack() as undo:
            self.connection = sqlite3.connect(self.path, timeout=60.0, isolation_level=None)
            undo.callback(self.connection.close)
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.execute("PRAGMA foreign_keys = ON")
            version = self.connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise ValueError(f"{path} has version {version} of the tables; this is {VERSION}")
            if not version:
                tables = f"BEGIN;{TABLES}PRAGMA user_version = {VERSION};COMMIT;"
                self.connection.executescript(tables)
            undo.pop_all()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is written, or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def run(self, problem: str, seed: int, settings: Mapping[str, Any]) -> int | None:
        """Return the number of the run with these settings, if there is one."""
        row = self.connection.execute(
            "SELECT run FROM runs WHERE problem = ? AND seed = ? AND settings = ?",
            (problem, seed, json.dumps(settings, sort_keys=True)),
        ).fetchone()
        return None if row is None else row[0]

    def start(self, problem: str, seed: int, settings: Mapping[str, Any]) -> int:
        """Add a run and return its number."""
        with self.transaction() as write:
            cursor = write.execute(
                "INSERT INTO runs (problem, seed, settings) VALUES (?, ?, ?)",
                (problem, seed, json.dumps(settings, sort_keys=True)),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def forget(self, run: int) -> None:
        """Delete a run and all that belongs to it."""
        with self.transaction() as write:
            write.execute(
                "DELETE FROM completions WHERE prompt IN"
                " (SELECT prompt FROM prompts WHERE run = ?)",
                (run,),
            )
            for table in ("measurements", "verdicts", "prompts", "parents", "candidates", "runs"):
                write.execute(f"DELETE FROM {table} WHERE run = ?", (run,))

    def propose(
        self,
        run: int,
        number: int,
        candidate: Candidate,
        *,
        schedule: str = "",
        parents: Sequence[str] = (),
        island: int = 0,
        prompt: str = "",
        seed: int = 0,
        model: str = "",
        completion: Completion | None = None,
    ) -> None:
        """Add a candidate, with what it was made of."""
        with self.transaction() as write:
            write.execute(
                "INSERT INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    run,
                    number,
                    candidate.digest,
                    candidate.source,
                    candidate.language,
                    schedule,
                    candidate.name,
                    island,
                ),
            )
            write.executemany(
                "INSERT INTO parents VALUES (?, ?, ?, ?)",
                [(run, number, parent, k) for k, parent in enumerate(parents)],
            )
            if completion is not None:
                self._prompted(write, run, number, prompt, seed, model, completion)

    def _prompted(
        self,
        write: sqlite3.Connection,
        run: int,
        number: int,
        prompt: str,
        seed: int,
        model: str,
        completion: Completion,
    ) -> None:
        cursor = write.execute(
            "INSERT INTO prompts (run, number, seed, text) VALUES (?, ?, ?, ?)",
            (run, number, seed, prompt),
        )
        row = (cursor.lastrowid, model, completion.text, completion.reasoning, completion.tokens)
        write.execute("INSERT INTO completions VALUES (?, ?, ?, ?, ?)", row)

    def judge(self, run: int, number: int, evaluation: Evaluation, *, seconds: float) -> None:
        """Add a candidate's verdict and measurement; ``seconds`` is what the step took."""
        verdict = evaluation.verdict
        with self.transaction() as write:
            write.execute(
                "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?)",
                (run, number, verdict.right, verdict.stage, verdict.reason, evaluation.error),
            )
            if evaluation.fitness is not None:
                write.execute(
                    "INSERT INTO measurements VALUES (?, ?, ?, ?)",
                    (run, number, evaluation.seconds, evaluation.baseline_seconds),
                )
            write.execute("UPDATE runs SET seconds = seconds + ? WHERE run = ?", (seconds, run))

    def stop(self, run: int, reason: str) -> None:
        """Note why a run ended."""
        with self.transaction() as write:
            write.execute("UPDATE runs SET stopped = ? WHERE run = ?", (reason, run))

    def seconds(self, run: int) -> float:
        """Seconds that a run has taken, over all the processes that worked at it."""
        row = self.connection.execute("SELECT seconds FROM runs WHERE run = ?", (run,)).fetchone()
        return float(row[0])

    def entries(self, run: int) -> list[Entry]:
        """Return a run's candidates in order."""
        parents: dict[int, list[str]] = {}
        for child, parent in self.connection.execute(
            "SELECT child, parent FROM parents WHERE run = ? ORDER BY child, position", (run,)
        ):
            parents.setdefault(child, []).append(parent)
        rows = self.connection.execute(
            "SELECT c.number, c.digest, c.source, c.language, c.schedule, c.island,"
            " v.correct, v.stage, v.reason, v.error, m.seconds, m.baseline_seconds"
            " FROM candidates c LEFT JOIN verdicts v USING (run, number)"
            " LEFT JOIN measurements m USING (run, number) WHERE c.run = ? ORDER BY c.number",
            (run,),
        )
        return [
            Entry(
                row[0], row[1], row[2], row[3], row[4], tuple(parents.get(row[0], ())), row[5],
                "proposed" if row[6] is None else "judged", bool(row[6]), row[7] or "",
                row[8] or "", row[9] or "", row[10], row[11],
            )
            for row in rows
        ]  # fmt: skip
