"""One call of the profiled function: what it did on both sides, and the metrics of it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

from mercer.lab.profile.dispatch import Dispatch
from mercer.lab.profile.event import Event
from mercer.lab.profile.intervals import length, length_without, union


@dataclass(frozen=True)
class Step:
    """The events of one call; all times in microseconds.

    Parameters
    ----------
    operators : tuple of Event
        In order of time, nested ones too.
    calls : tuple of Event
        Of the runtime or driver: launches, synchronisations.
    dispatches : tuple of Dispatch
        Launches with the work that they caused.
    unlinked : tuple of Event
        Work of the device whose launch is not in the trace: busy time, but no part of the TKLQT.
    """

    operators: tuple[Event, ...]
    calls: tuple[Event, ...]
    dispatches: tuple[Dispatch, ...]
    unlinked: tuple[Event, ...] = ()

    @cached_property
    def launches(self) -> tuple[Dispatch, ...]:
        """The dispatches that launched kernels; copies and fills left out."""
        return tuple(d for d in self.dispatches if d.kernels)

    @cached_property
    def work(self) -> tuple[Event, ...]:
        """All that the device did, in order of time."""
        return tuple(event for event, _ in self._owned())

    @property
    def kernels(self) -> int:
        """How many kernels ran."""
        return sum(event.kind == "kernel" for event in self.work)

    @property
    def tklqt(self) -> float:
        """Total kernel launch and queueing time: the sum of the launches' delays.

        The kernels of a CUDA graph wait for one launch, which counts once, up to the first of them.
        """
        return sum(d.delay for d in self.launches)

    @property
    def launching(self) -> float:
        """The part of the TKLQT during which the calls had not returned."""
        return sum(d.launching for d in self.launches)

    @property
    def queueing(self) -> float:
        """The part of the TKLQT after the calls returned."""
        return sum(d.queueing for d in self.launches)

    @cached_property
    def unhindered(self) -> tuple[float, ...]:
        """Delays of the launches whose kernel had no work of its stream to wait for.

        A kernel begins an overhead after its launch, or when the work before it ends: the later. It
        was the former if the stream lay idle for most of the delay. The first of a stream counts.
        """
        free: dict[tuple[object, object], float] = {}
        delays = []
        for event, dispatch in self._owned():
            idle = event.start - free.get(event.lane, -math.inf)
            free[event.lane] = max(event.end, free.get(event.lane, -math.inf))
            if dispatch is None or not dispatch.kernels or event is not dispatch.work[0]:
                continue
            if idle > dispatch.delay / 2:
                delays.append(dispatch.delay)
        return tuple(delays)

    def _owned(self) -> list[tuple[Event, Dispatch | None]]:
        """All work, in order of time, with the dispatch that it belongs to."""
        owned: list[tuple[Event, Dispatch | None]] = [(event, None) for event in self.unlinked]
        owned += [(event, d) for d in self.dispatches for event in d.work]
        return sorted(owned, key=lambda pair: pair[0].start)

    @property
    def average_launch(self) -> float:
        """Average launch overhead: `launching` of one launch; 0 without launches."""
        return self.launching / max(len(self.launches), 1)

    @property
    def average_kernel(self) -> float:
        """Average execution time of a kernel; 0 without kernels."""
        times = [event.duration for event in self.work if event.kind == "kernel"]
        return sum(times) / max(len(times), 1)

    @cached_property
    def busy(self) -> float:
        """How long the device had anything to do."""
        return length((event.start, event.end) for event in self.work)

    @property
    def span(self) -> float:
        """From the first to the last of the device's work."""
        return max(e.end for e in self.work) - self.work[0].start if self.work else 0.0

    @property
    def idle(self) -> float:
        """The gaps between pieces of work: `span` is `idle` and `busy` together."""
        covered = union((event.start, event.end) for event in self.work)
        return sum(after[0] - before[1] for before, after in itertools.pairwise(covered))

    @property
    def begin(self) -> float:
        """When the first operator, or else launch or work, began."""
        first = self.operators or tuple(d.launch for d in self.dispatches) or self.work
        return min((event.start for event in first), default=0.0)

    @property
    def latency(self) -> float:
        """From the first operator to the end of the last work, or operator where there is none."""
        last = self.work or self.operators
        return max((event.end for event in last), default=self.begin) - self.begin

    @property
    def idle_share(self) -> float:
        """The share of the latency during which the device had nothing to do."""
        return 1 - self.busy / self.latency if self.latency and self.work else 0.0

    @property
    def cpu_busy(self) -> float:
        """How long a thread was in an operator or call that was not waiting for the device."""
        active = [(e.start, e.end) for e in (*self.operators, *self.calls)]
        return length_without(
            active, [(e.start, e.end) for e in self.calls if "Synchronize" in e.name]
        )

    def sequences(self) -> list[list[Dispatch]]:
        """Runs of launches of one kernel each that a stream executes one after the other.

        Copies and fills end a run, and so do CUDA graphs, whose kernels share a launch already.
        """
        runs: dict[tuple[object, object], list[list[Dispatch]]] = {}
        for dispatch in sorted(self.dispatches, key=lambda d: d.work[0].start):
            of_stream = runs.setdefault(dispatch.work[0].lane, [[]])
            if len(dispatch.work) == 1 and dispatch.kernels:
                of_stream[-1].append(dispatch)
            else:
                of_stream.append([])
        return [run for of_stream in runs.values() for run in of_stream if run]

    def json(self) -> dict[str, float | int]:
        """The metrics, in microseconds."""
        return {
            "kernels": self.kernels,
            "launches": len(self.launches),
            "unlinked": len(self.unlinked),
            "tklqt": self.tklqt,
            "launching": self.launching,
            "queueing": self.queueing,
            "average_launch": self.average_launch,
            "average_kernel": self.average_kernel,
            "busy": self.busy,
            "idle": self.idle,
            "span": self.span,
            "idle_share": self.idle_share,
            "cpu_busy": self.cpu_busy,
            "latency": self.latency,
        }
