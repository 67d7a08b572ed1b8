"""The judge's end of the pipes to a worker: one command out, one reply in, and nothing else."""

from __future__ import annotations

import json
import os
import secrets
import select
import time
from typing import Any

from mercer.lab.sandbox.limits import Limits
from mercer.lab.sandbox.lost import WorkerLost

CHUNK = 1 << 16


class Channel:
    """JSON lines over two pipes, and what the worker prints over a third.

    A worker that speaks without being asked, says more than one line, or says what is not a JSON
    object with the number of the command, has broken the protocol and is not listened to again.

    Parameters
    ----------
    commands, replies, log : int
        Descriptors: written, read, read.
    status : int
        Descriptor that becomes readable when the worker's end is to be read from it.
    limits : Limits
    """

    def __init__(self, commands: int, replies: int, log: int, status: int, limits: Limits) -> None:
        self._commands, self._replies, self._log = commands, replies, log
        self._status, self._limits = status, limits
        self._printed = b""
        for descriptor in (commands, replies, log):
            os.set_blocking(descriptor, False)

    def exchange(self, command: dict[str, Any], deadline: float) -> dict[str, Any] | None:
        """Send a command and return the reply; None if the worker ended before it came.

        Raises
        ------
        WorkerLost
            "timed out" at `deadline` (of `time.monotonic`), "protocol" for anything but one line.
        """
        if self._poll({self._replies: select.POLLIN}, 0.0):
            if self._read() == b"":
                return None
            raise WorkerLost("protocol", "it wrote to the pipe of replies without being asked")
        number = secrets.randbits(48)
        unsent = memoryview(json.dumps({**command, "id": number}).encode() + b"\n")
        heard = bytearray()
        while True:
            wait = deadline - time.monotonic()
            if wait <= 0:
                raise WorkerLost("timed out", "it did not answer in time")
            events = {d: select.POLLIN for d in (self._replies, self._log, self._status)}
            if unsent:
                events[self._commands] = select.POLLOUT
            ready = self._poll(events, wait)
            if self._log in ready:
                self.drain(once=True)
            if self._commands in ready and unsent:
                unsent = unsent[self._write(unsent) :]
            if self._replies in ready:
                piece = self._read()
                heard += piece
                if b"\n" in piece:
                    return self._parse(bytes(heard), number)
                if len(heard) > self._limits.reply:
                    raise WorkerLost("protocol", f"a reply exceeds {self._limits.reply} bytes")
                if not piece:
                    return None
            elif self._status in ready:
                return None

    def _parse(self, heard: bytes, number: int) -> dict[str, Any]:
        line, _, rest = heard.partition(b"\n")
        if rest:
            raise WorkerLost("protocol", "it wrote more than one line in reply")
        try:
            reply = json.loads(line, parse_constant=_refuse)
            json.dumps(reply, ensure_ascii=False).encode()  # half a surrogate is no text
        except (ValueError, RecursionError) as error:
            raise WorkerLost("protocol", f"the reply is not JSON: {error}") from None
        if not isinstance(reply, dict) or reply.pop("id", None) != number:
            raise WorkerLost("protocol", "the reply does not belong to the command")
        return reply

    def _poll(self, events: dict[int, int], seconds: float) -> set[int]:
        poll = select.poll()
        for descriptor, event in events.items():
            poll.register(descriptor, event)
        return {descriptor for descriptor, _ in poll.poll(1e3 * seconds)}

    def _read(self) -> bytes:
        try:
            return os.read(self._replies, CHUNK)
        except BlockingIOError:
            return b""

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._commands, data[:CHUNK])
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            return len(data)  # that it has ended shows in its status

    def drain(self, *, once: bool = False) -> None:
        """Take in what was printed: one piece, or all that there is now."""
        for _ in range(1 if once else 64):
            try:
                piece = os.read(self._log, CHUNK)
            except BlockingIOError:
                return
            if not piece:
                return
            self._printed = (self._printed + piece)[-self._limits.log :]

    @property
    def printed(self) -> str:
        """The last of what the worker printed."""
        return self._printed.decode(errors="replace")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
