"""Results on disk, one JSON line each, as soon as they are known."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any


class Journal:
    """Results by key; a run that was killed finds all but what was being written.

    Parameters
    ----------
    path : str or Path, optional
        Created if it is not there. Default: kept in memory only.

    Raises
    ------
    ValueError
        If a line other than an unfinished last one is not such a result.
    RuntimeError
        If another run has the file open.

    Examples
    --------
    >>> with Journal() as journal:
    ...     journal["softmax 1f"] = {"right": True}
    ...     "softmax 1f" in journal, journal["softmax 1f"]
    (True, {'right': True})
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._results: dict[str, dict[str, Any]] = {}
        self._file: IO[bytes] | None = None
        if path is not None:
            self._file = _opened(Path(path))
            self._read(Path(path))

    def _read(self, path: Path) -> None:
        assert self._file is not None
        self._file.seek(0)
        whole = 0  # bytes of finished lines
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                record = json.loads(line)
                self._results[record["key"]] = record["result"]
            except (ValueError, KeyError, TypeError):
                self._file.close()
                raise ValueError(f"line {number} of {path} is not a result") from None
            whole += len(line)
        self._file.truncate(whole)
        self._file.seek(0, os.SEEK_END)

    def __contains__(self, key: str) -> bool:
        return key in self._results

    def __len__(self) -> int:
        return len(self._results)

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._results[key]

    def __setitem__(self, key: str, result: dict[str, Any]) -> None:
        if self._file is not None:
            line = json.dumps({"key": key, "result": result}, allow_nan=False)
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self._results[key] = result

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


def _opened(path: Path) -> IO[bytes]:
    """Open for reading and appending, and keep other runs out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "a+b")  # noqa: SIM115 - the journal closes it
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RuntimeError(
            f"another run has {path} open; give each run a file of its own"
        ) from None
    return file
