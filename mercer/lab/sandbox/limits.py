"""What a worker may use before it is ended."""

from __future__ import annotations

from dataclasses import dataclass

from mercer import checks

GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """Ceilings of one worker, counted over all its processes unless said otherwise.

    Parameters
    ----------
    memory : int, optional
        Bytes of main memory, the scratch folder and the written regions included.
    cpu_seconds : int, optional
        CPU time of each of its processes.
    processes : int, optional
        Processes and threads alive at once.
    scratch : int, optional
        Bytes in the only folder that it can write to.
    file_size : int, optional
        Bytes of one file.
    gpu_memory : int, optional
        Bytes of GPU memory; unlimited by default.
    log : int, optional
        Bytes kept of what it prints, the last ones.
    reply : int, optional
        Bytes of one reply.

    Examples
    --------
    >>> Limits(memory=2 * 1024**3).scratch // 1024**2
    512
    """

    memory: int = 4 * GIB
    cpu_seconds: int = 120
    processes: int = 64
    scratch: int = GIB // 2
    file_size: int = GIB // 2
    gpu_memory: int | None = None
    log: int = 1 << 16
    reply: int = 1 << 22

    def __post_init__(self) -> None:
        for name in ("memory", "cpu_seconds", "processes", "scratch", "file_size", "log", "reply"):
            checks.count(name, getattr(self, name))
        if self.gpu_memory is not None:
            checks.count("gpu_memory", self.gpu_memory)
