"""Who holds a worker to its memory and processes: the kernel if it can be told to, or a watch."""

from __future__ import annotations

import importlib.util

from mercer.lab.sandbox.cgroup import Group, Places
from mercer.lab.sandbox.limits import Limits
from mercer.lab.sandbox.watch import Watch, Watched


class Accounts:
    """The accounts of a pool's workers.

    Parameters
    ----------
    limits : Limits
    cuda : bool
        Whether workers have a GPU, whose memory is watched if NVIDIA's `nvidia-ml-py` is installed.
    """

    def __init__(self, limits: Limits, *, cuda: bool) -> None:
        self._limits = limits
        self._places = Places()
        self.kernel = "memory" in self._places.folders
        gpu = cuda and limits.gpu_memory is not None
        gpu = gpu and importlib.util.find_spec("pynvml") is not None
        counted = self.kernel and "pids" in self._places.folders
        self._watch = (
            None if counted and not gpu else Watch(limits, memory=not self.kernel, gpu=gpu)
        )

    def open(self, number: int) -> Account:
        """Open the account of the worker of that number."""
        return Account(Group(self._places, number, self._limits), self._watch)

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.close()


class Account:
    """What one worker uses."""

    def __init__(self, group: Group, watch: Watch | None) -> None:
        self._group, self._watch = group, watch
        self._watched: Watched | None = None

    def admit(self, pid: int) -> None:
        """Count this process, and all that it will start."""
        self._group.admit(pid)
        if self._watch is not None:
            self._watched = Watched(pid)
            self._watch.add(self._watched)

    def exceeded(self) -> str | None:
        """Name the limit that the worker came to: "memory", "processes" or none."""
        return (self._watched.exceeded if self._watched else None) or self._group.exceeded()

    def close(self) -> None:
        """Forget the worker, of which nothing is left."""
        if self._watch is not None and self._watched is not None:
            self._watch.remove(self._watched)
        self._group.close()
