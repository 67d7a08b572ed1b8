"""Traces on disk, a line each, of which a kill loses at most the one being made."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from mercer.lab.curate.trace import ReasoningTrace

FORMAT = "mercer traces 1"


class TraceFile:
    """A file of JSON lines: what the run is, then its traces, each flushed to the disk.

    Parameters
    ----------
    path : str or Path
    run : mapping, optional
        What makes the traces the same when made again: seed, model. A file of another run is
        refused. Without it, a file is only read.

    Raises
    ------
    ValueError
        The file holds something else, or is of another run.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "traces.jsonl"
    >>> with TraceFile(path, {"seed": 0}) as file:
    ...     file.add(ReasoningTrace("softmax", "level 1", 0, "p", "r", 1, "", False, 0.0, "empty"))
    >>> len(TraceFile(path).traces)
    1
    """

    def __init__(self, path: str | Path, run: Mapping[str, Any] | None = None) -> None:
        self.path = Path(path)
        self.traces: list[ReasoningTrace] = []
        whole = self._read(run)
        self._file = None
        if run is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self.path, "ab")  # noqa: SIM115 - closed by __exit__
        self._file.truncate(whole)  # a line that a kill cut off
        if not whole:
            self._write({"format": FORMAT, "run": dict(run)})

    def _read(self, run: Mapping[str, Any] | None) -> int:
        """Read the whole lines and return where they end."""
        if run is not None and not self.path.exists():
            return 0
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                record = json.loads(line)
                if number == 1:
                    self._same(record, run)
                else:
                    self.traces.append(ReasoningTrace(**record))
            except (TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
                raise ValueError(f"line {number} of {self.path} is not a trace: {error}") from None
        if not whole and (run is None or data[:1] not in (b"", b"{")):
            raise ValueError(f"{self.path} holds no traces")
        return whole

    def _same(self, record: Any, run: Mapping[str, Any] | None) -> None:
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise ValueError(f"{self.path} is not a file of traces; name another path")
        if run is not None and record["run"] != json.loads(json.dumps(dict(run))):
            raise ValueError(
                f"{self.path} is of the run {record['run']}, not of {dict(run)}; name another path"
            )

    @property
    def done(self) -> set[tuple[str, int]]:
        """Problems and indices that are there."""
        return {(t.problem, t.index) for t in self.traces}

    def add(self, trace: ReasoningTrace) -> None:
        """Append one; on the disk when this returns."""
        self._write(trace.json())
        self.traces.append(trace)

    def _write(self, record: dict[str, Any]) -> None:
        if self._file is None:
            raise ValueError(f"{self.path} was opened for reading")
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
