"""What a trace says, in words and tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mercer.lab.profile.event import Event
from mercer.lab.profile.table import table

if TYPE_CHECKING:
    from mercer.lab.profile.trace import Trace

WIDTH = 48  # letters of a kernel's name


def trace_text(trace: Trace, *, rich: bool | None, kernels: int) -> str:
    """Tables of the metrics of the median step and of the kernels, or operators, of most time."""
    from mercer.lab.profile.trace import NO_KERNELS

    step = trace.step
    title = f"{trace.origin or 'Trace'}: median of {len(trace.steps)} steps"
    rows: list[tuple[str, float, str]] = [("inference latency", step.latency, "us")]
    if not trace.has_kernels:
        rows.append(("CPU busy", step.cpu_busy, "us"))
        parts = [
            table(title, ("metric", "value", "unit"), rows, rich=rich),
            _longest(trace, trace.outermost, "operator", rich, kernels),
            NO_KERNELS,
        ]
        return "\n\n".join(parts)
    rows += [
        ("launches of kernels", len(step.launches), ""),
        ("TKLQT", step.tklqt, "us"),
        ("  launching", step.launching, "us"),
        ("  queueing", step.queueing, "us"),
        ("average launch overhead", step.average_launch, "us"),
        ("average kernel", step.average_kernel, "us"),
        ("GPU busy", step.busy, "us"),
        ("GPU idle between kernels", step.idle, "us"),
        ("GPU idle, of the latency", 100 * step.idle_share, "%"),
        ("CPU busy", step.cpu_busy, "us"),
    ]
    work = [event for s in trace.steps for event in s.work]
    parts = [
        table(title, ("metric", "value", "unit"), rows, rich=rich),
        _longest(trace, work, "kernel", rich, kernels),
        f"{trace.bound()}-bound: a launch takes {step.tklqt / max(len(step.launches), 1):.3g} us "
        f"to its kernel, {trace.launch_floor:.3g} us where it waits for nothing.",
    ]
    if step.unlinked:
        parts.append(
            f"{len(step.unlinked)} pieces of the GPU's work have no launch in the trace; they "
            "count as busy, not in the TKLQT."
        )
    return "\n\n".join(parts)


def short(name: str, width: int = WIDTH) -> str:
    """A kernel's name without return type, namespaces and arguments, cut to a width.

    Examples
    --------
    >>> short("void at::native::vectorized_elementwise_kernel<4, at::native::AddFunctor<float> >()")
    'vectorized_elementwise_kernel<4, AddFunctor<floa'
    """
    name = re.sub(r"^void\s+|\(anonymous namespace\)::", "", name)
    return re.sub(r"\b(?:[A-Za-z_]\w*::)+", "", name)[:width]


def _longest(
    trace: Trace, events: tuple[Event, ...] | list[Event], what: str, rich: bool | None, most: int
) -> str:
    """The names of most time, per step."""
    steps = len(trace.steps)
    times: dict[str, list[float]] = {}
    for event in events:
        times.setdefault(event.name, []).append(event.duration)
    ordered = sorted(times.items(), key=lambda item: -sum(item[1]))[:most]
    rows = [
        (short(name) if what == "kernel" else name, len(t) / steps, sum(t) / steps, sum(t) / len(t))
        for name, t in ordered
    ]
    columns = (what, "times a step", "us a step", "us each")
    return table(f"{what.capitalize()}s of most time", columns, rows, rich=rich)
