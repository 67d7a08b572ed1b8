"""A recorded run: operators, launches and kernels, linked and divided into steps."""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from mercer.lab.profile.dispatch import Dispatch, dispatches, operator_stacks
from mercer.lab.profile.event import DEVICE, Event
from mercer.lab.profile.reader import from_zero, read_events, write_events
from mercer.lab.profile.step import Step

SCHEMA = "mercer.profile/1"
QUEUED = 2.0  # delay over launch floor above which more time is queueing than launching
NO_KERNELS = (
    "The trace has no GPU kernels: launch and queueing times (TKLQT), idle time and fusion "
    "candidates need a run on a GPU."
)


class Trace:
    """Events of a run, from `profile`, or from a file that any program wrote.

    Parameters
    ----------
    events : iterable of Event
    origin : str, optional
        Where they are from, for headings.

    Examples
    --------
    >>> from mercer.lab.profile import Event, Trace
    >>> trace = Trace([
    ...     Event("aten::add", "operator", 0.0, 10.0, (1, 1)),
    ...     Event("cudaLaunchKernel", "runtime", 2.0, 4.0, (1, 1), correlation=7),
    ...     Event("add_kernel", "kernel", 9.0, 3.0, (0, 7), correlation=7),
    ... ])
    >>> trace.step.tklqt, trace.step.latency
    (7.0, 12.0)
    """

    def __init__(self, events: Iterable[Event], origin: str = "") -> None:
        self.events = tuple(from_zero(events))
        self.origin = origin

    @classmethod
    def read(cls, path: str | Path) -> Trace:
        """Read a Chrome trace as Kineto writes it, JSON or compressed by gzip.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is none, or it is cut off, broken or without operators and kernels.
        """
        return cls(read_events(path), str(path))

    def write(self, path: str | Path) -> None:
        """Write what the metrics need as a Chrome trace; compressed if the name ends in ``.gz``.

        Kept are launches and their work, the operators that they were made in, outermost operators,
        synchronisations and steps.
        """
        keep = {id(e) for e in self.events if e.kind == "step" or "Synchronize" in e.name}
        keep |= {id(e) for e in self.outermost}
        for dispatch in self._linked[0]:
            keep |= {id(e) for e in (dispatch.launch, *dispatch.operators, *dispatch.work)}
        keep |= {id(event) for event in self._linked[1]}
        write_events(path, (event for event in self.events if id(event) in keep))

    @cached_property
    def _linked(self) -> tuple[list[Dispatch], list[Event]]:
        return dispatches(self.events)

    @property
    def dispatches(self) -> tuple[Dispatch, ...]:
        """Launches with their work, in order of the calls, of the whole trace."""
        return tuple(self._linked[0])

    @cached_property
    def outermost(self) -> tuple[Event, ...]:
        """Operators that no other operator called, in order of time."""
        stacks = operator_stacks(self.events)
        return tuple(e for e in self.events if e.kind == "operator" and not stacks[id(e)])

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """One for each ProfilerStep that has work; without such marks the whole trace is one.

        What lies outside of the marks is left out. Work belongs to the step of its launch.
        """
        marks = [e for e in self.events if e.kind == "step"]
        starts = [mark.start for mark in marks]

        def place(event: Event) -> int:
            if not marks:
                return 0
            k = bisect_right(starts, event.start) - 1
            return k if k >= 0 and event.start <= marks[k].end else -1

        linked, unlinked = self._linked
        parts: list[tuple[list[Any], ...]] = [
            ([], [], [], []) for _ in range(max(len(marks), 1) + 1)
        ]  # the last for what is outside
        for event in self.events:
            if event.kind in ("operator", "runtime"):
                parts[place(event)][event.kind == "runtime"].append(event)
        for dispatch in linked:
            parts[place(dispatch.launch)][2].append(dispatch)
        for event in unlinked:
            parts[place(event)][3].append(event)
        steps = [Step(*(tuple(part) for part in of_step)) for of_step in parts[:-1]]
        return tuple(s for s in steps if s.operators or s.dispatches or s.unlinked)

    @cached_property
    def step(self) -> Step:
        """The step of (lower) median latency, of which single figures are told."""
        if not self.steps:
            raise ValueError("the trace has no operators, launches or kernels inside its steps")
        middle = statistics.median_low([step.latency for step in self.steps])
        return next(step for step in self.steps if step.latency == middle)

    @property
    def has_kernels(self) -> bool:
        """Whether a GPU did anything."""
        return any(event.kind in DEVICE for event in self.events)

    @property
    def launch_floor(self) -> float:
        """The delay of a launch that waits for nothing: the median of `Step.unhindered`."""
        delays = [delay for step in self.steps for delay in step.unhindered]
        return statistics.median(delays) if delays else 0.0

    def bound(self, floor: float | None = None) -> str:
        """ "CPU" while launches wait less than launching takes, else "GPU".

        Parameters
        ----------
        floor : float, optional
            Of another trace of the same machine, in microseconds; default `launch_floor`.
        """
        floor = self.launch_floor if floor is None else floor
        launches = len(self.step.launches)
        tklqt = statistics.median(step.tklqt for step in self.steps)
        return "GPU" if tklqt > QUEUED * floor * launches else "CPU"

    def text(self, *, rich: bool | None = None, kernels: int = 10) -> str:
        """Tables of the metrics and of the kernels that take longest.

        Parameters
        ----------
        rich : bool, optional
            Boxes by `rich`; default: if it is installed.
        kernels : int, optional
            Rows of the second table.
        """
        from mercer.lab.profile.report import trace_text

        return trace_text(self, rich=rich, kernels=kernels)

    def json(self) -> dict[str, Any]:
        """Metrics of the median step and of every step, times in microseconds."""
        return {
            "schema": SCHEMA,
            "origin": self.origin,
            "gpu": self.has_kernels,
            "bound": self.bound(),
            "launch_floor": self.launch_floor,
            "step": self.step.json(),
            "steps": [step.json() for step in self.steps],
        }

    def draw(self, path: str | Path) -> None:
        """Draw the median step: operators by depth, launches, streams."""
        from mercer.lab.profile.drawing import save, timeline

        save(path, lambda figure: timeline(figure.subplots(), self))

    def __repr__(self) -> str:
        return f"Trace({len(self.events)} events, {len(self.steps)} steps)"
