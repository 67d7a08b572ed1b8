"""Traces of a machine whose every number is known: a CPU that launches, a GPU that queues."""

from __future__ import annotations

import random

from mercer.lab.profile import Trace
from mercer.lab.profile.reader import _event


def complete(cat, name, ts, dur, pid=1, tid=1, **args):
    return {"ph": "X", "cat": cat, "name": name, "pid": pid, "tid": tid, "ts": ts, "dur": dur,
            "args": args}  # fmt: skip


def simulated(names, execution, *, between=8.0, overhead=5.0, steps=1, noise=0.0, seed=0):
    """Raw events: operators of `between` us launch kernels of `execution` us on one stream.

    A kernel starts `overhead` after its launch or when the one before ends. Noise is the standard
    deviation of the overhead's logarithm.
    """
    generator = random.Random(seed)
    events, clock, correlation = [], 100.0, 0
    for step in range(steps):
        begin, free = clock, 0.0
        for name in names:
            correlation += 1
            own = overhead * generator.lognormvariate(0, noise) if noise else overhead
            launch = clock + 1.0
            start = max(launch + own, free)
            free = start + execution
            events += [
                complete("cpu_op", f"aten::{name}", clock, between - 0.5),
                complete("cuda_runtime", "cudaLaunchKernel", launch, 2.0, correlation=correlation),
                complete("kernel", name, start, execution, 0, 7, device=0, stream=7,
                         correlation=correlation),
            ]  # fmt: skip
            clock += between
        end = max(clock, free)
        events.append(complete("user_annotation", f"ProfilerStep#{step}", begin, end - begin))
        clock = end + 50.0
    return events


def trace_of(events):
    """The trace of raw events, without a file."""
    read = (_event("simulated", k, raw) for k, raw in enumerate(events))
    return Trace(event for event in read if event is not None)
