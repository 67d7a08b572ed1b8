"""Every candidate and outcome, kept on disk line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mercer.lab.learning.trajectory import Turn


class Ledger:
    """A file of JSON lines that only grows; what was written stays whatever happens after.

    Parameters
    ----------
    path : str or Path

    Examples
    --------
    >>> import tempfile
    >>> Ledger(Path(tempfile.mkdtemp()) / "turns.jsonl").read()
    []
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def write(self, turn: Turn, *, group: int, member: int) -> None:
        """Append a turn."""
        candidate = turn.candidate
        record = {
            "problem": turn.prompt.problem.name,
            "group": group,
            "member": member,
            "turn": len(turn.prompt.answers),
            "digest": candidate.digest if candidate else None,
            "language": candidate.language if candidate else None,
            "source": candidate.source if candidate else None,
            "tokens": list(turn.action.tokens),
            "log_prob": float(turn.action.log_probs.sum()),
            "reward": turn.reward,
            "outcome": turn.outcome.json(),
        }
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """Return all turns; a last line that was cut off is left out."""
        return list(self._lines())

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with self.path.open() as file:
            for line in file:
                if line.endswith("\n"):
                    yield json.loads(line)
