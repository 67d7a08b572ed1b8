"""Pictures of traces: a timeline, and the TKLQT over batch sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mercer.lab.profile.dispatch import operator_stacks
from mercer.lab.profile.event import Event
from mercer.lab.profile.trace import QUEUED, Trace

if TYPE_CHECKING:
    from mercer.lab.profile.boundedness import Boundedness

DEPTHS = 3  # levels of operators
LINKS = 200  # lines from launches to kernels, at most


def save(path: str | Path, draw: Callable[[Any], None]) -> None:
    """Write a figure; matplotlib is needed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    draw(figure)
    figure.savefig(path, dpi=150)


def timeline(axes: Any, trace: Trace) -> None:
    """The median step: operators by depth, launches, and one lane a stream."""
    step = trace.step
    stacks = operator_stacks((*step.operators, *step.calls))
    lanes: dict[str, list[Event]] = {"operators": []}
    for event in step.operators:
        depth = len(stacks[id(event)])
        if depth < DEPTHS:
            lanes.setdefault("operators" if not depth else f"inside, {depth}", []).append(event)
    if trace.has_kernels:
        lanes["launches"] = [d.launch for d in step.dispatches]
    for stream in sorted({str(event.lane[1]) for event in step.work}):
        lanes[f"stream {stream}"] = [e for e in step.work if str(e.lane[1]) == stream]
    rows = {name: len(lanes) - 1 - k for k, name in enumerate(lanes)}
    origin = step.begin
    for k, (name, events) in enumerate(lanes.items()):
        bars = [(e.start - origin, e.duration) for e in events]
        axes.broken_barh(bars, (rows[name] - 0.38, 0.76), facecolors=f"C{k}", edgecolors="white",
                         linewidth=0.2)  # fmt: skip
    every = max(1, len(step.launches) // LINKS)
    for dispatch in step.launches[::every]:
        work = dispatch.work[0]
        axes.plot(
            [dispatch.launch.start - origin, work.start - origin],
            [rows["launches"] - 0.38, rows[f"stream {work.lane[1]}"] + 0.38],
            color="grey",
            linewidth=0.4,
        )
    axes.set_yticks(list(rows.values()), list(rows))
    axes.set(xlabel="microseconds", xlim=(0, None))
    axes.set_title(
        f"{trace.origin or 'trace'}: TKLQT {step.tklqt:.4g} us over {len(step.launches)} launches, "
        f"GPU idle {100 * step.idle_share:.0f} %, {trace.bound()}-bound"
        if trace.has_kernels
        else f"{trace.origin or 'trace'}: no GPU kernels",
        fontsize=10,
    )


def over_batches(axes: Any, found: Boundedness) -> None:
    """TKLQT and latency over the batch size, with the floor, its double and the transition."""
    from matplotlib.ticker import NullLocator

    batch = [point.batch for point in found.points]
    axes.plot(batch, [point.latency for point in found.points], "s-", color="C1", label="latency")
    if found.floor:
        axes.plot(batch, [p.tklqt for p in found.points], "o-", color="C0", label="TKLQT")
        floor = [found.floor * point.launches for point in found.points]
        axes.plot(batch, floor, ":", color="C0", label="launch floor")
        axes.plot(batch, [QUEUED * f for f in floor], "--", color="C0", lw=0.8, label="its double")
    if found.transition is not None:
        if found.spread:
            axes.axvspan(*found.spread, color="C3", alpha=0.2)
        axes.axvline(found.transition, color="C3", label=f"transition, {found.transition:.3g}")
    axes.set(xscale="log", yscale="log", xlabel="batch size", ylabel="microseconds")
    axes.set_xticks(batch, [str(b) for b in batch])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(True, alpha=0.3)
    axes.legend(fontsize=7)
