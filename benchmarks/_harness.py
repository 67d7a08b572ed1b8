"""Timing and keeping of results, shared by the benchmarks."""

from __future__ import annotations

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


def machine() -> str:
    """The processor and how many cores torch uses."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


class Table:
    """Prints rows as they come and keeps them as JSON lines under ``out``."""

    def __init__(self, name: str, out: str | None) -> None:
        self.rows: list[dict[str, Any]] = []
        self.path = None if out is None else Path(out) / f"{name}.jsonl"
        self.machine = machine()
        print(f"{name} on {self.machine}", flush=True)

    def add(self, row: dict[str, Any]) -> None:
        """Print and remember one cell."""
        self.rows.append({**row, "machine": self.machine})
        print("  ".join(f"{k} {_short(v)}" for k, v in row.items()), flush=True)

    def close(self) -> None:
        """Write what was measured, whole or not at all."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        os.replace(part, self.path)
        print(f"kept in {self.path}", file=sys.stderr)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
