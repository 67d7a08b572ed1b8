"""The trusted parent of a worker that has no process name space to end with."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import time
from collections.abc import Collection
from contextlib import suppress

from mercer.lab.sandbox import inmate, kernel, message, processes

EVERY = 0.05  # seconds


def keep(
    pid: int, status: socket.socket, zygote: int, scratch: str, limits: dict[str, int]
) -> None:
    """Wait for a worker's end, or end it; then end all that it has left, and tell how it ended.

    Orphans of the worker become children of the calling process, so that none gets out of sight.

    Parameters
    ----------
    pid : int
        The worker.
    status : socket
        To the judge, whose end closes with it.
    zygote : int
        Descriptor of the zygote, readable when it has ended.
    scratch : str
        The worker's folder, which is removed in the end.
    limits : dict
        As of `Limits`.
    """
    wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGTERM, lambda *_: os.write(waker, b"\0"))
    worker = os.pidfd_open(pid)
    poll = select.poll()
    for descriptor in (worker, status.fileno(), zygote, wake):
        poll.register(descriptor, select.POLLIN)
    exceeded = None
    while exceeded is None and not poll.poll(1e3 * EVERY):
        exceeded = _exceeded(scratch, limits)
    ended, wait, used = os.wait4(pid, os.WNOHANG)
    clear()
    shutil.rmtree(scratch, ignore_errors=True)
    with suppress(OSError):  # the judge has closed the worker
        message.send(status, inmate.end(wait, used) if ended else {"exceeded": exceeded})


def _exceeded(scratch: str, limits: dict[str, int]) -> str | None:
    tree = list(processes.descendants(os.getpid(), processes.children()))[1:]
    if processes.threads(tree) > limits["processes"]:
        return "processes"
    return "memory" if _size(scratch) > limits["scratch"] else None


def _size(folder: str) -> int:
    """Return the bytes that a folder takes on the disk."""
    total = 0
    for where, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.lstat(os.path.join(where, file)).st_blocks * 512
            except OSError:
                continue  # it has been removed
    return total


def adopt() -> None:
    """Make orphans beneath this process its children."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def clear(besides: Collection[int] = ()) -> None:
    """End every process beneath this one; return when there is none.

    First all are stopped, which nothing can refuse, until no new one is found: what is stopped
    starts nothing. Then all are ended.

    Parameters
    ----------
    besides : collection of int, optional
        Children that are left alone, with all beneath them.
    """
    me = os.getpid()
    stopped: set[int] = set()
    while True:
        children = processes.children()
        children[me] = [pid for pid in children.get(me, ()) if pid not in besides]
        found = set(processes.descendants(me, children)) - {me}
        if not found:
            return
        fresh = found - stopped
        for pid in fresh or found:
            try:
                os.kill(pid, signal.SIGSTOP if fresh else signal.SIGKILL)
            except ProcessLookupError:
                continue
        stopped |= fresh
        if not fresh:
            for pid in children[me]:
                os.waitpid(pid, os.WNOHANG)
            time.sleep(1e-3)
