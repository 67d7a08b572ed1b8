"""Holding all processes of a worker still, so that they are not in the way of another's clock."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

from mercer.lab.sandbox import processes

PATIENCE = 2.0  # seconds for processes that the kernel is busy for
RUNNING = "RSI"  # of the states in /proc/*/stat: others have stopped, or will when they come back


def halt(root: int) -> None:
    """Stop a worker's processes, given its first one; return when none of them runs.

    A keeper goes on: what it keeps is stopped, and it has to see to the limits.
    """
    told: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    while True:
        tree = _tree(root)
        running = [pid for pid in tree if pid not in told or _state(pid) in RUNNING]
        if not running or time.monotonic() > deadline:
            return
        for pid in running:
            _tell(pid, tree, root, signal.SIGSTOP)
        told.update(running)


def go_on(root: int) -> None:
    """Let those that `halt` has stopped run again."""
    tree = _tree(root)
    for pid in tree:
        _tell(pid, tree, root, signal.SIGCONT)


def _tree(root: int) -> list[int]:
    quick = os.path.exists(f"/proc/{root}/task/{root}/children")
    found = list(_beneath(root) if quick else processes.descendants(root, processes.children()))
    return found if _first_of_its_space(root) else found[1:]


def _beneath(pid: int) -> Iterator[int]:
    """Return a process and all beneath it; what has stopped is surely among them."""
    yield pid
    with suppress(OSError):  # it has ended
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                children = file.read().split()
            for child in children:
                yield from _beneath(int(child))


def _first_of_its_space(pid: int) -> bool:
    """Whether a process is the first one of a process name space: a worker, not a keeper."""
    try:
        with open(f"/proc/{pid}/status") as lines:
            return next(line.split()[-1] for line in lines if line.startswith("NSpid:")) == "1"
    except (OSError, StopIteration):
        return False  # it has ended


def _tell(pid: int, tree: list[int], root: int, what: signal.Signals) -> None:
    """Send a signal, unless the number has become a stranger's in the meantime."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            if pid == root or _parent(pid) in (root, *tree):
                signal.pidfd_send_signal(descriptor, what)
        finally:
            os.close(descriptor)


def _stat(pid: int) -> list[str]:
    """Return what /proc says of a process from its state on."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return ["X", "0"]  # it has ended


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])
