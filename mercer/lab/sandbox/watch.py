"""The memory of workers, looked at again and again where the kernel cannot be told to count it."""

from __future__ import annotations

import os
import signal
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mercer.lab.sandbox import processes
from mercer.lab.sandbox.limits import Limits

EVERY = 0.05  # seconds
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(eq=False)
class Watched:
    """One worker: its first process, and the limit that it was found above."""

    pid: int
    exceeded: str | None = None


class Watch:
    """A thread that ends workers above their memory, and notes those at their processes.

    A process counts with its share of the pages that it has with others, and shared memory without
    a file with its whole size.

    Parameters
    ----------
    limits : Limits
    memory, gpu : bool
        Which memory to look at.
    """

    def __init__(self, limits: Limits, *, memory: bool, gpu: bool) -> None:
        self._limits, self._memory = limits, memory
        self._gpu = _Gpu() if gpu else None
        self._watched: set[Watched] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-watch", daemon=True)
        self._thread.start()

    def add(self, watched: Watched) -> None:
        """Begin to look at a worker."""
        with self._lock:
            self._watched.add(watched)

    def remove(self, watched: Watched) -> None:
        """Look at it no more: its number may soon be another process's."""
        with self._lock:
            self._watched.discard(watched)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            with self._lock:
                if self._watched:
                    self._look()

    def _look(self) -> None:
        children = processes.children()
        used = self._gpu.used() if self._gpu else {}
        for watched in self._watched:
            tree = list(processes.descendants(watched.pid, children))
            above = self._memory and resident(tree, self._limits.memory)
            ceiling = self._limits.gpu_memory
            if above or (ceiling is not None and sum(used.get(p, 0) for p in tree) > ceiling):
                watched.exceeded = "memory"
                os.kill(watched.pid, signal.SIGKILL)
            elif watched.exceeded is None and processes.threads(tree) >= self._limits.processes:
                watched.exceeded = "processes"


def resident(tree: list[int], ceiling: int) -> bool:
    """Whether processes together use more than `ceiling` bytes."""
    upper = 0
    anonymous: dict[str, int] = {}
    for pid in tree:
        try:
            upper += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                if line.endswith("/dev/zero (deleted)"):
                    span, _, _, _, inode, *_ = line.split()
                    start, end = (int(x, 16) for x in span.split("-"))
                    anonymous[inode] = max(anonymous.get(inode, 0), end - start)
        except OSError:
            continue  # it has ended
    shared = sum(anonymous.values())
    return upper + shared > ceiling and sum(map(_share, tree)) + shared > ceiling


def _share(pid: int) -> int:
    """Return a process's private memory and its share of that which it has with others."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    fields = dict(line.split(":") for line in lines[1:])
    return sum(int(fields[f].split()[0]) << 10 for f in ("Pss_Anon", "Pss_File") if f in fields)


class _Gpu:
    """Bytes of GPU memory by process, as the driver counts them."""

    def __init__(self) -> None:
        import pynvml

        self._nvml: Any = pynvml
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        self._devices = [pynvml.nvmlDeviceGetHandleByIndex(k) for k in range(count)]

    def used(self) -> dict[int, int]:
        found: dict[int, int] = defaultdict(int)
        for device in self._devices:
            for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(device):
                found[process.pid] += process.usedGpuMemory or 0
        return found
