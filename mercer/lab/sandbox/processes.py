"""The tree of processes, read from /proc."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path


def children() -> dict[int, list[int]]:
    """Return the children of every process, the dead but not yet buried among them."""
    found = defaultdict(list)
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue  # it has ended
            found[int(stat.rpartition(")")[2].split()[1])].append(int(entry))
    return found


def descendants(pid: int, tree: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """Return a process and all beneath it.

    Examples
    --------
    >>> list(descendants(1, {1: [2, 3], 3: [4], 5: [6]}))
    [1, 2, 3, 4]
    """
    yield pid
    for child in tree.get(pid, ()):
        yield from descendants(child, tree)


def threads(pids: Iterable[int]) -> int:
    """Return how many threads processes have."""
    total = 0
    for pid in pids:
        try:
            total += len(os.listdir(f"/proc/{pid}/task"))
        except OSError:
            continue
    return total


def of_user(uid: int) -> int:
    """Return how many threads a user has."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.stat(f"/proc/{entry}").st_uid == uid:
                found.append(int(entry))
        except OSError:
            continue
    return threads(found)
