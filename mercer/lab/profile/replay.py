"""A step played again by a model of launch and queue, with what-ifs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mercer.lab.profile.dispatch import Dispatch
from mercer.lab.profile.step import Step


class Replay(NamedTuple):
    """What the model says of a step, in microseconds."""

    latency: float
    tklqt: float


class Fused(NamedTuple):
    """Launches that become one, and the traffic to memory that this spares."""

    dispatches: Sequence[Dispatch]
    bytes: int = 0


def replay(
    step: Step,
    floor: float,
    *,
    fused: Iterable[Fused] = (),
    cpu: float = 1.0,
    bandwidth: float | None = None,
) -> Replay:
    r"""Play a step again.

    The CPU makes launch :math:`k` at :math:`l_k`; its kernel begins at
    :math:`s_k = \max(l_k + o, e_{k-1})`, the overhead :math:`o` after the launch or when the work
    before it on the stream ends, and ends at :math:`e_k = s_k + x_k`. Dependences between streams
    are left out. A launch that fusion removes spares the CPU all its time since the launch before.

    Parameters
    ----------
    step : Step
    floor : float
        The overhead of a launch, microseconds; see `Trace.launch_floor`.
    fused : iterable of Fused
        Which launches become one with the first of their group.
    cpu : float, optional
        Factor of the CPU's time between launches.
    bandwidth : float, optional
        Bytes a second of the device's memory; without it traffic that is spared takes no time off.

    Returns
    -------
    Replay
        ``latency`` from the first operator to the end of the last work.
    """
    removed: set[int] = set()
    execution: dict[int, float] = {}
    for group in fused:
        times = [_execution(d) for d in group.dispatches]
        spared = 0.0 if bandwidth is None else 1e6 * group.bytes / bandwidth
        # A fused kernel takes no less than the longest of its parts.
        execution[id(group.dispatches[0])] = max(max(times), sum(times) - spared)
        removed |= {id(d) for d in group.dispatches[1:]}
    clock = previous = step.begin
    free: dict[tuple[object, object], float] = {}
    tklqt, last = 0.0, step.begin
    for dispatch in sorted(step.dispatches, key=lambda d: d.launch.start):
        before, previous = dispatch.launch.start - previous, dispatch.launch.start
        if id(dispatch) in removed:
            continue
        clock += cpu * before
        stream = dispatch.work[0].lane
        start = max(clock + floor, free.get(stream, 0.0))
        end = start + execution.get(id(dispatch), _execution(dispatch))
        free[stream] = end
        last = max(last, end)
        tklqt += (start - clock) * bool(dispatch.kernels)
    return Replay(last - step.begin, tklqt)


def _execution(dispatch: Dispatch) -> float:
    """From the beginning of the first to the end of the last work of a launch."""
    return max(event.end for event in dispatch.work) - dispatch.work[0].start
