"""Chrome's trace format, as Kineto writes it: read into events, and written from them."""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mercer.lab.profile.event import DEVICE, Event

KINDS = {
    "cpu_op": "operator",
    "operator": "operator",
    "cuda_runtime": "runtime",
    "cuda_driver": "runtime",
    "hip_runtime": "runtime",
    "runtime": "runtime",
    "kernel": "kernel",
    "gpu_memcpy": "memcpy",
    "memcpy": "memcpy",
    "gpu_memset": "memset",
    "memset": "memset",
}
CATEGORIES = {
    "operator": "cpu_op",
    "runtime": "cuda_runtime",
    "kernel": "kernel",
    "memcpy": "gpu_memcpy",
    "memset": "gpu_memset",
    "step": "user_annotation",
}
STEP = re.compile(r"ProfilerStep\s*#\s*\d+")


def read_events(path: str | Path) -> list[Event]:
    """Read the complete events ("ph": "X") of a trace, in order of time from zero.

    Parameters
    ----------
    path : path
        JSON, maybe compressed by gzip (told by its first bytes, not by its name).

    Raises
    ------
    FileNotFoundError, ValueError
        In one sentence, what is wrong with the file.
    """
    path = Path(path)
    document = _load(path)
    found = document.get("traceEvents") if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise ValueError(f"{path} is not a Chrome trace: it has no list of traceEvents")
    events = [event for k, raw in enumerate(found) if (event := _event(path, k, raw)) is not None]
    if not any(event.kind != "step" for event in events):
        raise ValueError(
            f"{path} has {len(found)} trace events but no operator, launch or kernel among them; "
            "record it with torch.profiler and ProfilerActivity.CPU and CUDA"
        )
    return from_zero(events)


def write_events(path: str | Path, events: Iterable[Event]) -> None:
    """Write events as a Chrome trace, compressed if the name ends in ``.gz``."""
    text = json.dumps({"traceEvents": [_raw(e) for e in events]}, separators=(",", ":"))
    data = text.encode()
    path = Path(path)
    # No time and no name in the header: the same trace gives the same bytes.
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def from_zero(events: Iterable[Event]) -> list[Event]:
    """The events in order of time, the longer of two that start together first, from zero."""
    ordered = sorted(events, key=lambda e: (e.start, -e.duration))
    origin = ordered[0].start if ordered else 0.0
    return [_moved(event, -origin) for event in ordered]


def _moved(event: Event, by: float) -> Event:
    # Kineto counts nanoseconds; finer digits are rounding.
    return Event(
        event.name,
        event.kind,
        round(event.start + by, 3),
        event.duration,
        event.lane,
        event.correlation,
        event.external,
        event.shapes,
        event.types,
    )


def _load(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"there is no trace {path}")
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is not whole: gzip says {error}") from None
    if not data.strip():
        raise ValueError(f"{path} is empty; whatever wrote the trace did not finish")
    try:
        # Names of kernels may hold bytes that are not UTF-8.
        return json.loads(data.decode(errors="replace"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not whole JSON, was it cut off? ({error})") from None


def _event(path: Path, index: int, raw: Any) -> Event | None:
    """The event of one entry; None for entries that are not about time on the CPU or GPU."""
    if not isinstance(raw, dict):
        raise ValueError(f"{path}: trace event {index} is not an object but {raw!r:.60}")
    if raw.get("ph") != "X":
        return None
    name = str(raw.get("name", ""))
    kind = KINDS.get(str(raw.get("cat", "")).lower())
    if kind is None:
        if "gpu" in str(raw.get("cat", "")).lower() or not STEP.fullmatch(name):
            return None
        kind = "step"
    args = raw.get("args")
    args = args if isinstance(args, dict) else {}
    start, duration = _number(raw.get("ts")), _number(raw.get("dur", 0))
    if start is None or duration is None or duration < 0:
        raise ValueError(
            f"{path}: trace event {index} ({name:.60}) must have a finite ts and a dur of at least "
            f"0, got ts {raw.get('ts')!r} and dur {raw.get('dur')!r}"
        )
    lane = (raw.get("pid", 0), raw.get("tid", 0))
    if kind in DEVICE:
        lane = (args.get("device", lane[0]), args.get("stream", lane[1]))
    shapes, types = _tensors(args)
    return Event(
        name,
        kind,
        start,
        duration,
        lane,
        _integer(args.get("correlation")),
        _integer(args.get("External id", args.get("external id"))),
        shapes,
        types,
    )


def _tensors(args: dict[str, Any]) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    """Shapes and types of an operator's arguments that are single tensors."""
    shapes, types = args.get("Input Dims"), args.get("Input type")
    if not (isinstance(shapes, list) and isinstance(types, list)):
        return (), ()
    pairs = [
        (tuple(shape), str(kind))
        for shape, kind in zip(shapes, types)
        if isinstance(shape, list) and shape and all(type(side) is int for side in shape)
    ]
    return tuple(shape for shape, _ in pairs), tuple(kind for _, kind in pairs)


def _number(value: Any) -> float | None:
    """A finite number, also from a string (some versions of Kineto quote them)."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None


def _integer(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _raw(event: Event) -> dict[str, Any]:
    args: dict[str, Any] = {}
    if event.kind in DEVICE:
        args.update(device=event.lane[0], stream=event.lane[1])
    if event.correlation is not None:
        args["correlation"] = event.correlation
    if event.external is not None:
        args["External id"] = event.external
    if event.shapes:
        args["Input Dims"] = [list(shape) for shape in event.shapes]
        args["Input type"] = list(event.types)
    return {
        "ph": "X",
        "cat": CATEGORIES[event.kind],
        "name": event.name,
        "pid": event.lane[0],
        "tid": event.lane[1],
        "ts": event.start,
        "dur": event.duration,
        "args": args,
    }
