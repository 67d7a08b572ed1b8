"""From operator to launch to kernel: what called what, found by time and correlation number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mercer.lab.profile.event import DEVICE, Event


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A launch call, the work of the device that it caused, and the operators it was made in.

    Parameters
    ----------
    launch : Event
        Such as cudaLaunchKernel, cuLaunchKernelEx, cudaGraphLaunch or cudaMemcpyAsync.
    work : tuple of Event
        In order of time: one kernel, copy or fill; all of a CUDA graph's.
    operators : tuple of Event
        The outermost first; empty outside of operators.
    """

    launch: Event
    work: tuple[Event, ...]
    operators: tuple[Event, ...] = ()

    @property
    def delay(self) -> float:
        """From the beginning of the call to the beginning of its (first) work, in microseconds.

        Clocks of CPU and GPU differ by some hundred nanoseconds: a negative difference counts as 0.
        """
        return max(0.0, self.work[0].start - self.launch.start)

    @property
    def launching(self) -> float:
        """The part of the delay during which the call had not returned."""
        return min(self.delay, self.launch.duration)

    @property
    def queueing(self) -> float:
        """The part of the delay after the call returned."""
        return self.delay - self.launching

    @property
    def kernels(self) -> tuple[Event, ...]:
        """The work without copies and fills."""
        return tuple(event for event in self.work if event.kind == "kernel")


def operator_stacks(events: Iterable[Event]) -> dict[int, tuple[Event, ...]]:
    """For every operator and call, the operators of its thread that it began in, outermost first.

    Returns
    -------
    dict
        By ``id(event)``; the event itself is not in its stack.
    """
    stacks: dict[int, tuple[Event, ...]] = {}
    open_: dict[tuple[object, object], list[Event]] = {}
    ordered = [e for e in events if e.kind in ("operator", "runtime")]
    # At equal times operators come before the calls inside them, the longer operators first.
    ordered.sort(key=lambda e: (e.start, e.kind != "operator", -e.duration))
    for event in ordered:
        stack = open_.setdefault(event.lane, [])
        # Not only the innermost may be over: operators of a broken trace overlap without nesting.
        stack[:] = [operator for operator in stack if operator.end > event.start]
        stacks[id(event)] = tuple(stack)
        if event.kind == "operator":
            stack.append(event)
    return stacks


def dispatches(events: Sequence[Event]) -> tuple[list[Dispatch], list[Event]]:
    """Link calls to the device's work.

    Returns
    -------
    dispatches : list of Dispatch
        In the order of the calls. Every piece of work is in at most one.
    unlinked : list of Event
        Work whose call is not in the trace.
    """
    calls: dict[int, Event] = {}
    for event in events:
        if event.kind == "runtime" and event.correlation is not None:
            # A runtime call and the driver call inside it may share the number: the outer counts.
            first = calls.get(event.correlation)
            if first is None or event.start < first.start:
                calls[event.correlation] = event
    work: dict[int, list[Event]] = {}
    unlinked = []
    for event in sorted((e for e in events if e.kind in DEVICE), key=lambda e: e.start):
        if event.correlation in calls:
            work.setdefault(event.correlation, []).append(event)
        else:
            unlinked.append(event)
    stacks = operator_stacks(events)
    by_number = {e.external: e for e in events if e.kind == "operator" and e.external is not None}
    linked = []
    for correlation, caused in work.items():
        call = calls[correlation]
        operators = stacks[id(call)]
        if not operators and call.external in by_number:
            # Some versions put calls on lanes of their own; the operator's number still links.
            operator = by_number[call.external]
            operators = (*stacks[id(operator)], operator)
        linked.append(Dispatch(call, tuple(caused), operators))
    return sorted(linked, key=lambda d: d.launch.start), unlinked
