"""The users that workers run as."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FIRST = 1_900_000_000  # far above the numbers that people and services have
MOST = 4096


class Users:
    """Numbers that nobody else has: one for each living worker, so that the kernel counts each.

    Only root can become another user; everybody else's workers run as themselves.

    Examples
    --------
    >>> users = Users()
    >>> with users.another() as one, users.another() as two:
    ...     (one == two) == (os.geteuid() != 0)
    True
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._lock = threading.Lock()
        self._first = _first()

    @contextmanager
    def another(self) -> Iterator[int]:
        """Hand out a number for as long as the block lasts."""
        if os.geteuid() != 0:
            yield os.geteuid()
            return
        with self._lock:
            slot = next(k for k in range(MOST) if k not in self._taken)
            self._taken.add(slot)
        try:
            yield self._first + slot
        finally:
            with self._lock:
                self._taken.discard(slot)


def _first() -> int:
    """Return the start of MOST user numbers that exist here: in a container not all of them do."""
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    spans = [list(map(int, line.split())) for line in lines]
    if any(first <= FIRST and first + size >= FIRST + MOST for first, _, size in spans):
        return FIRST + os.getpid() * MOST % (1 << 27)
    first, _, size = max(spans, key=lambda span: span[2])
    return max(first + size - 1 - MOST, first + 1)
