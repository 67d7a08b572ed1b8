"""The judge's handle of one untrusted process."""

from __future__ import annotations

import select
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

from torch import Tensor

from mercer.lab.sandbox import message
from mercer.lab.sandbox.account import Account
from mercer.lab.sandbox.channel import Channel
from mercer.lab.sandbox.halt import go_on, halt
from mercer.lab.sandbox.lost import WorkerLost
from mercer.lab.sandbox.region import Region

LAST_WORDS = 2.0  # seconds between the end of the pipe and the news of how the worker ended


class Worker:
    """One isolated process, answering commands until it is closed or lost.

    Workers are made by `Pool.worker` and belong to one thread at a time.

    Parameters
    ----------
    channel : Channel
    regions : mapping of str to Region
    status : socket
        Where the zygote tells how the worker ended.
    pidfd : int
    account : Account
    belongings : ExitStack
        What is to be given back at the end.
    cpu_seconds : int
        Its limit.
    """

    def __init__(
        self,
        channel: Channel,
        regions: Mapping[str, Region],
        status: socket.socket,
        pidfd: int,
        account: Account,
        belongings: ExitStack,
        cpu_seconds: int,
    ) -> None:
        self._channel, self._regions, self._status = channel, regions, status
        self._pidfd, self._account, self._belongings = pidfd, account, belongings
        self._cpu_seconds = cpu_seconds
        self._lost: tuple[str, str] | None = None
        self._closed = self._paused = False

    def request(self, command: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        """Send a command, return the reply.

        Parameters
        ----------
        command : dict
            What JSON can say.
        timeout : float
            Seconds of wall time until the worker is ended.

        Returns
        -------
        dict
            What the handler returned with `"ok": True`, or its error with `"ok": False`.

        Raises
        ------
        WorkerLost
            The worker did not answer; it has been ended, and every later request raises the same.
        """
        if self._closed and self._lost is None:
            raise ValueError("the worker is closed; make another one with Pool.worker")
        self.resume()
        reply = None if self._lost else self._exchange(command, time.monotonic() + timeout)
        if self._lost is not None:
            raise WorkerLost(*self._lost)  # a new one: an old one would keep what it has passed
        return reply or {}

    def _exchange(self, command: dict[str, Any], deadline: float) -> dict[str, Any] | None:
        """Return the reply; where there is none, end the worker and return None."""
        try:
            reply = self._channel.exchange(command, deadline)
        except WorkerLost as lost:
            self._lose(lost.reason, lost.detail)
            return None
        if reply is None:
            self._lose(*self._obituary())
        return reply

    def _obituary(self) -> tuple[str, str]:
        """Return reason and detail of the end of a worker that has closed its pipe."""
        if not select.select([self._status], [], [], LAST_WORDS)[0]:
            limit = self._account.exceeded()  # whoever ends it may be slow to say so
            if limit is not None:
                return limit, f"it came to its limit of {limit}"
            return "protocol", "it closed its end of the pipe of replies"
        notice, _ = message.receive(self._status)
        if notice is None:
            return "crashed", "the pool that it belongs to has ended"
        limit = notice.get("exceeded")
        if limit is not None:
            return limit, f"it came to its limit of {limit}"
        code = notice["exit"]
        if code >= 0:
            return "exited", f"it exited with code {code}"
        if -code == signal.SIGXCPU or notice["cpu"] >= self._cpu_seconds:
            return "timed out", f"it used {self._cpu_seconds} s of CPU time"
        return "crashed", f"it was ended by {signal.Signals(-code).name}"

    def _lose(self, reason: str, detail: str) -> None:
        """End the worker; a limit that it came to is the reason rather than how it showed."""
        limit = self._account.exceeded()
        if limit not in (None, reason) and reason != "protocol":
            reason, detail = limit, f"it came to its limit of {limit}: {detail}"
        self._lost = (reason, detail)
        self.close()

    def region(self, name: str) -> Tensor:
        """Return the judge's mapping of a region: uint8, (bytes,)."""
        if name not in self._regions:
            known = ", ".join(self._regions)
            raise ValueError(f"the worker has no region {name!r}; it has {known}")
        return self._regions[name].tensor

    def pause(self) -> None:
        """Stop all its processes, until `resume` or the next request."""
        if not self._closed:
            self._paused = True
            halt(number(self._pidfd))

    def resume(self) -> None:
        """Let its processes go on."""
        if self._paused and not self._closed:
            go_on(number(self._pidfd))
        self._paused = False

    def log(self) -> str:
        """Return the last of what the worker printed."""
        if not self._closed:
            self._channel.drain()
        return self._channel.printed

    def close(self) -> None:
        """End the worker and all that it started; return when nothing of it is left."""
        if self._closed:
            return
        self._closed = True
        self._belongings.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def end(pidfd: int, how: signal.Signals) -> None:
    """End a worker's first process, or its keeper, and wait until all others have ended, too.

    The kernel ends a process name space with its first process, and reports the end of this one
    when it has seen that of the others; a keeper does the same.
    """
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, how)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll()


def number(pidfd: int) -> int:
    """Return the process's number as this process sees it."""
    with open(f"/proc/self/fdinfo/{pidfd}") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
