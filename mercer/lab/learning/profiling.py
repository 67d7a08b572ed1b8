"""The harness of a worker that can also tell which kernels its candidate spends time in."""

from __future__ import annotations

from typing import Any

from mercer.lab.learning.coverage import kernel_times
from mercer.lab.profile.record import profile
from mercer.lab.runner.harness import Harness

HANDLER = "mercer.lab.learning.profiling:ProfilingHarness"


class ProfilingHarness(Harness):
    """Carry out `profile`, too: run timed calls again, under torch's profiler.

    What it replies is the worker's word: it may cost a lazy candidate reward, and decides nothing
    about being right or fast.
    """

    def __call__(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command and return what JSON carries."""
        if command.get("command") == "profile":
            return self.profile()
        return super().__call__(command)

    def profile(self) -> dict[str, Any]:
        """Reply the microseconds of each kernel, by name, in the calls that were timed last."""
        laps = self._laps
        if laps is None or not laps.kept:
            raise ValueError("time must come before profile")
        calls = len(laps.kept)
        trace = profile(lambda: laps.run(calls), steps=3, device=self.device, shapes=False)
        return {"kernels": kernel_times(trace)}
