"""Where over the batch sizes a function turns from CPU-bound to GPU-bound."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mercer import checks
from mercer.lab.profile.record import profile
from mercer.lab.profile.replay import replay
from mercer.lab.profile.table import table
from mercer.lab.profile.trace import NO_KERNELS, QUEUED, SCHEMA, Trace


@dataclass(frozen=True)
class Point:
    """A batch size: medians over its steps, in microseconds.

    ``ratio`` is the mean delay of a launch over the launch floor, made increasing in the batch.
    """

    batch: int
    launches: int
    tklqt: float
    latency: float
    idle_share: float
    ratio: float
    bound: str


@dataclass(frozen=True)
class Boundedness:
    r"""CPU- or GPU-bound at every batch size, and the transition.

    A launch that waits for nothing has a delay :math:`o`, whatever the batch: while the CPU is
    slower than the GPU, the TKLQT is flat at :math:`n o`. Once the GPU is slower, launches queue
    behind each other, and it rises. Where it has doubled, more time goes into queueing than into
    launching: there the bound changes. Delays are medians over steps, and are made increasing in
    the batch by isotonic regression, so that noise cannot make the bound change twice.

    Parameters
    ----------
    points : tuple of Point
        By batch size.
    floor : float
        :math:`o`: the median delay of launches that waited for nothing (`Step.unhindered`), of all
        batch sizes, in microseconds.
    transition : float or None
        The batch size at which the TKLQT is twice its floor, between sizes by a line in logarithms;
        None if it stays below or is above from the first.
    spread : tuple of float or None
        The least and the greatest transition if every step is taken alone; None if one has none.
    note : str
        Why there is no transition; empty if there is.
    """

    points: tuple[Point, ...]
    floor: float
    transition: float | None
    spread: tuple[float, float] | None
    note: str

    @classmethod
    def of(cls, traces: Mapping[int, Trace]) -> Boundedness:
        """From traces by batch size, of one function on one machine."""
        if not traces:
            raise ValueError("traces must have at least one batch size")
        batches = sorted(checks.count("batch size", batch) for batch in traces)
        # Of all batches: the small ones have many launches that wait for nothing, the large few.
        unhindered = [d for b in batches for step in traces[b].steps for d in step.unhindered]
        floor = statistics.median(unhindered or [0.0])
        delays = {b: _delays(traces[b]) for b in batches}
        if not all(delays.values()):
            unknown = tuple(_point(b, traces[b], math.nan) for b in batches)
            return cls(unknown, 0.0, None, None, NO_KERNELS)
        if floor <= 0:
            raise ValueError(
                "kernels begin before their launches: the clocks of CPU and GPU in these traces "
                "differ by more than a launch takes; record them again"
            )
        ratios = _increasing([statistics.median(delays[b]) / floor for b in batches])
        transition = _crossing(batches, ratios)
        each = [
            _crossing(batches, _increasing([delays[b][k] / floor for b in batches]))
            for k in range(min(len(d) for d in delays.values()))
        ]
        found = [batch for batch in each if batch is not None]
        note = ""
        if transition is None:
            bound, end = ("CPU", "largest") if ratios[-1] <= QUEUED else ("GPU", "smallest")
            note = f"{bound}-bound at all batch sizes; the {end} was not far enough."
        return cls(
            tuple(_point(b, traces[b], ratio) for b, ratio in zip(batches, ratios)),
            floor,
            transition,
            (min(found), max(found)) if found and len(found) == len(each) else None,
            note,
        )

    @property
    def cpu_bound(self) -> tuple[int, ...]:
        """The batch sizes at which the CPU limits."""
        return tuple(point.batch for point in self.points if point.bound == "CPU")

    def text(self, *, rich: bool | None = None) -> str:
        """A table, and a sentence on the transition."""
        columns = ("batch", "launches", "TKLQT us", "delay / floor", "latency us", "GPU idle %",
                   "bound")  # fmt: skip
        rows = [
            (p.batch, p.launches, p.tklqt, p.ratio, p.latency, 100 * p.idle_share, p.bound)
            for p in self.points
        ]
        sentence = self.note
        if self.transition is not None:
            low, high = self.spread or (math.nan, math.nan)
            between = f", {low:.3g} to {high:.3g} by single steps" if self.spread else ""
            sentence = f"CPU-bound up to a batch of about {self.transition:.3g}{between}."
        return table("Boundedness by batch size", columns, rows, rich=rich) + "\n\n" + sentence

    def json(self) -> dict[str, Any]:
        """Everything, for JSON; what could not be measured is null."""
        points = [{k: None if v != v else v for k, v in vars(p).items()} for p in self.points]
        return {
            "schema": SCHEMA,
            "floor": self.floor,
            "transition": self.transition,
            "spread": list(self.spread) if self.spread else None,
            "note": self.note,
            "points": points,
        }

    def draw(self, path: str | Path) -> None:
        """Draw TKLQT and latency over the batch size, with the transition."""
        from mercer.lab.profile.drawing import over_batches, save

        save(path, lambda figure: over_batches(figure.subplots(), self))


def boundedness(
    function_of_batch: Callable[[int], Callable[[], Any]],
    batch_sizes: Iterable[int] = (1, 2, 4, 8, 16, 32, 64),
    *,
    warmup: int = 3,
    steps: int = 5,
    device: str | torch.device | None = None,
) -> Boundedness:
    """Profile a function over batch sizes; the profiler slows the CPU a little, never the GPU.

    Parameters
    ----------
    function_of_batch : callable
        A batch size in, a function without arguments out; what this prepares is not profiled.
    batch_sizes : iterable of int, optional
    warmup, steps, device : optional
        See `profile`.

    Examples
    --------
    >>> import torch
    >>> found = boundedness(lambda b: torch.ones(b, 4).relu, (1, 2), steps=1, device="cpu")
    >>> found.transition, found.note[:28]
    (None, 'The trace has no GPU kernels')
    """
    traces = {
        batch: profile(
            function_of_batch(checks.count("batch size", batch)),
            warmup=warmup,
            steps=steps,
            device=device,
            shapes=False,
        )
        for batch in batch_sizes
    }
    return Boundedness.of(traces)


def transition_if(traces: Mapping[int, Trace], cpu: float) -> float | None:
    """The transition were the CPU's time between launches longer by a factor.

    By `replay` of every step, so that a factor of 1 is the model's own view of what was recorded.

    Parameters
    ----------
    traces : mapping of int to Trace
        By batch size.
    cpu : float
        Positive.
    """
    checks.positive("cpu", cpu)
    floor = Boundedness.of(traces).floor
    if not floor:
        raise ValueError(NO_KERNELS)
    batches = sorted(traces)
    ratios = [
        statistics.median(
            replay(step, floor, cpu=cpu).tklqt / (floor * len(step.launches))
            for step in traces[batch].steps
            if step.launches
        )
        for batch in batches
    ]
    return _crossing(batches, _increasing(ratios))


def _delays(trace: Trace) -> list[float]:
    """The mean delay of a launch, for every step."""
    return [step.tklqt / len(step.launches) for step in trace.steps if step.launches]


def _increasing(values: list[float]) -> list[float]:
    """The closest increasing sequence, in logarithms."""
    from sklearn.isotonic import isotonic_regression

    logs = [math.log(max(value, 1e-9)) for value in values]
    return [math.exp(float(value)) for value in isotonic_regression(logs)]


def _crossing(batches: list[int], ratios: list[float]) -> float | None:
    """Where an increasing ratio passes `QUEUED`, linear between sizes in logarithms."""
    for k in range(1, len(batches)):
        if ratios[k - 1] <= QUEUED < ratios[k]:
            low, high = math.log(ratios[k - 1]), math.log(ratios[k])
            share = (math.log(QUEUED) - low) / (high - low)
            return batches[k - 1] * float((batches[k] / batches[k - 1]) ** share)
    return None


def _point(batch: int, trace: Trace, ratio: float) -> Point:
    steps = trace.steps

    def median(name: str) -> float:
        return float(statistics.median(getattr(step, name) for step in steps))

    return Point(
        batch,
        len(trace.step.launches),
        median("tklqt"),
        median("latency"),
        median("idle_share"),
        ratio,
        "GPU" if ratio > QUEUED else "CPU",
    )
