"""Record a function with torch's profiler."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mercer import checks
from mercer.lab.profile.trace import Trace


def profile(
    function: Callable[..., Any],
    *inputs: Any,
    warmup: int = 3,
    steps: int = 5,
    device: str | torch.device | None = None,
    shapes: bool = True,
) -> Trace:
    """Record calls of a function, without gradients, the device at rest before each.

    Parameters
    ----------
    function : callable
    *inputs
        What it is called with.
    warmup : int, optional
        Calls that are not recorded.
    steps : int, optional
        Calls that are.
    device : str or torch.device, optional
        "cpu" or "cuda"; default: "cuda" where there is one.
    shapes : bool, optional
        Whether to record the shapes of operators' arguments.

    Returns
    -------
    Trace
        With one step a call.

    Examples
    --------
    >>> trace = profile(torch.relu, torch.ones(3), warmup=1, steps=2, device="cpu")
    >>> len(trace.steps), trace.outermost[0].name
    (2, 'aten::relu')
    """
    checks.count("warmup", warmup, 0)
    checks.count("steps", steps)
    device = usable(device)

    def once() -> None:
        function(*inputs)
        synchronise(device)

    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "trace.json"
        for _ in range(warmup):
            once()
        activities = [torch.profiler.ProfilerActivity.CPU]
        if device.type == "cuda":
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        recorder = torch.profiler.profile(
            activities=activities,
            record_shapes=shapes,
            # The first call under the profiler pays for its start.
            schedule=torch.profiler.schedule(wait=0, warmup=1, active=steps, repeat=1),
            on_trace_ready=lambda done: done.export_chrome_trace(str(path)),
        )
        with recorder:
            for _ in range(1 + steps):
                once()
                recorder.step()
        trace = Trace.read(path)
    trace.origin = getattr(function, "__name__", type(function).__name__)
    return trace


def usable(device: str | torch.device | None) -> torch.device:
    """The device, or the sentence that it is not there."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(device)
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be cpu or cuda, got {device}")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {device} was asked for, but torch sees no GPU; use cpu")
    return device


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
