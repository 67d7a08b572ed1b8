"""What a device can move and compute in a second, measured on it, not read from a data sheet."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Machine:
    """The two slopes of a device's roofline.

    Parameters
    ----------
    name : str
        The device's own name.
    bandwidth : float
        Bytes per second between memory and the processor, of a copy larger than every cache.
    peak : float
        Floating-point operations per second of a square matrix product in float32.

    References
    ----------
    Roofline: An Insightful Visual Performance Model for Multicore Architectures,
    https://doi.org/10.1145/1498765.1498785
    """

    name: str
    bandwidth: float
    peak: float

    def floor(self, *, bytes: float, operations: float) -> float:
        """Return the seconds below which no program can end that moves and computes as much."""
        return max(bytes / self.bandwidth, operations / self.peak)

    @property
    def ridge(self) -> float:
        """Operations per byte from which on computing, not moving, is the floor."""
        return self.peak / self.bandwidth


def measure_machine(device: torch.device | str = "cpu", *, repeats: int = 7) -> Machine:
    """Measure bandwidth by copies and the peak by matrix products; medians of `repeats`.

    Takes under a second on a GPU and a few seconds on a CPU. A product runs at PyTorch's present
    float32 precision, so that with TensorFloat-32 switched on the peak is that of tensor cores.

    Examples
    --------
    >>> machine = measure_machine("cpu", repeats=1)
    >>> machine.floor(bytes=machine.bandwidth, operations=0)
    1.0
    """
    device = torch.device(device)
    on_gpu = device.type == "cuda"
    numbers = (1 << 28) if on_gpu else (1 << 25)  # 1 GiB, 128 MiB
    side = 8192 if on_gpu else 1024
    source = torch.ones(numbers, device=device)
    target = torch.empty_like(source)
    moved = _median(lambda: target.copy_(source), device, repeats)
    a = torch.randn(side, side, device=device)
    product = torch.empty_like(a)
    computed = _median(lambda: torch.mm(a, a, out=product), device, repeats)
    name = torch.cuda.get_device_name(device) if on_gpu else _cpu_name()
    return Machine(name, 2 * 4 * numbers / moved, 2 * side**3 / computed)


def _median(call: object, device: torch.device, repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 1):  # the first one warms up
        begin = time.perf_counter()
        call()  # type: ignore[operator]
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else "CPU"
