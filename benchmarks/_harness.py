"""Timing and keeping of results, shared by the benchmarks."""

from __future__ import annotations

import itertools
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def median_seconds(run: Callable[[], Any], repeats: int, warm: int = 1) -> float:
    """The median wall time of ``run`` after ``warm`` runs that do not count."""
    for _ in range(warm):
        run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def synchronise(device: str | torch.device) -> None:
    """Wait until the device has done what it was given."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def wall_seconds(run: Callable[[], Any], device: str | torch.device) -> tuple[Any, float]:
    """What ``run`` returns, and its wall time until the device is done."""
    synchronise(device)
    start = time.perf_counter()
    result = run()
    synchronise(device)
    return result, time.perf_counter() - start


def median_milliseconds(
    run: Callable[[], Any], device: str | torch.device, seconds: float = 1.5, most: int = 30
) -> float:
    """The median of as many calls, one after the other without a pause, as fit in ``seconds``.

    One call before them does not count; there are at least three, or one where one takes that long.
    """
    run()
    _, once = wall_seconds(run, device)
    repeats = int(min(most, max(seconds / once, 3 if once < seconds else 1)))
    if torch.device(device).type != "cuda":
        return 1e3 * median_seconds(run, repeats, warm=0)
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        run()
        mark.record()
    torch.cuda.synchronize()
    return statistics.median(a.elapsed_time(b) for a, b in itertools.pairwise(marks))


def machine(device: str | torch.device = "cpu") -> str:
    """The GPU, or the processor and how many cores torch uses."""
    if torch.device(device).type == "cuda":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


class Table:
    """Prints rows as they come and keeps them as JSON lines under ``out``."""

    def __init__(self, name: str, out: str | None, device: str | torch.device = "cpu") -> None:
        self.rows: list[dict[str, Any]] = []
        self.kept = False
        self.path = None if out is None else Path(out) / f"{name}.jsonl"
        self.machine = machine(device)
        print(f"{name} on {self.machine}", flush=True)

    def add(self, row: dict[str, Any]) -> None:
        """Print and remember one cell."""
        self.rows.append({**row, "machine": self.machine})
        show(row)

    def close(self) -> None:
        """Write what was measured so far, whole or not at all."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        os.replace(part, self.path)
        if not self.kept:
            print(f"kept in {self.path}", file=sys.stderr)
        self.kept = True


def show(row: dict[str, Any]) -> None:
    """Print one cell, or a part of it."""
    print("  ".join(f"{k} {_short(v)}" for k, v in row.items()), flush=True)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
