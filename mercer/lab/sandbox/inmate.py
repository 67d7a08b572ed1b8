"""The worker's side of the channel: commands in, the handler's replies out."""

from __future__ import annotations

import json
import mmap
import os
import resource
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

TRACE = 8192  # characters kept of a traceback

Handler = Callable[[dict[str, Any]], dict[str, Any]]


def attach(
    regions: Mapping[str, tuple[int, int, bool]],
) -> dict[str, memoryview]:
    """Map regions, given as (descriptor, size, readonly) by name, and close the descriptors."""
    views = {}
    for name, (descriptor, size, readonly) in regions.items():
        access = mmap.ACCESS_READ if readonly else mmap.ACCESS_WRITE
        views[name] = memoryview(mmap.mmap(descriptor, size, access=access))
        os.close(descriptor)
    return views


def serve(handler: Handler, commands: BinaryIO, replies: int) -> None:
    """Answer every line of `commands` on the descriptor `replies`, until the lines end."""
    for line in commands:
        command = json.loads(line)
        number = command.pop("id")
        try:
            reply = {"ok": True, **handler(command), "id": number}
            text = json.dumps(reply, allow_nan=False)
        except BaseException as error:
            text = json.dumps({**sentence(error), "id": number})
        sys.stdout.flush()
        sys.stderr.flush()
        data = memoryview(text.encode() + b"\n")
        while data:
            data = data[os.write(replies, data) :]


def end(wait: int, used: resource.struct_rusage) -> dict[str, Any]:
    """Return how a process ended, and its CPU time, as its judge is told."""
    return {"exit": os.waitstatus_to_exitcode(wait), "cpu": used.ru_utime + used.ru_stime}


def sentence(error: BaseException) -> dict[str, Any]:
    """Return an error as a reply: one sentence and the end of its traceback."""
    first = str(error).strip().split("\n")[0][:TRACE]
    name = type(error).__name__
    trace = "".join(traceback.format_exception(error))[-TRACE:]
    text = f"{name}: {first}" if first else name
    return {"ok": False, "error": _text(text), "trace": _text(trace)}


def _text(text: str) -> str:
    """Return what can be written in UTF-8: half a surrogate cannot."""
    return text.encode(errors="replace").decode()
