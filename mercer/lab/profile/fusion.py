"""Which kernels always follow each other, and what fusing them would save."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mercer import checks
from mercer.lab.profile.dispatch import Dispatch
from mercer.lab.profile.replay import Fused, replay
from mercer.lab.profile.report import short
from mercer.lab.profile.step import Step
from mercer.lab.profile.table import table
from mercer.lab.profile.trace import NO_KERNELS, Trace

LENGTHS = (2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Chain:
    """Consecutive kernels of a stream: a candidate for fusion.

    Parameters
    ----------
    kernels : tuple of str
        Their names.
    operators : tuple of str
        The innermost operator of each, at the first occurrence; "" outside of operators.
    count : int
        Occurrences in the trace, overlapping ones too.
    proximity : float
        The probability that the chain follows where its first kernel runs; 1: deterministic.
    fused : int
        Occurrences in the median step that do not overlap, from the left.
    saved_launches, saved_bytes : int
        In the median step, were those fused. The bytes are what the chain's operators hand on
        through memory, written and read, estimated by the first tensor argument of each operator
        but the first; 0 where shapes were not recorded.
    launch_ratio : float
        Launches before over launches after: the speed-up if launches were all that takes time.
    predicted : float
        Latency before over latency after, by `replay`.
    """

    kernels: tuple[str, ...]
    operators: tuple[str, ...]
    count: int
    proximity: float
    fused: int
    saved_launches: int
    saved_bytes: int
    launch_ratio: float
    predicted: float

    @property
    def deterministic(self) -> bool:
        """Whether the chain always follows its first kernel."""
        return self.proximity == 1

    def json(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)


def chains(
    trace: Trace,
    *,
    lengths: Iterable[int] = LENGTHS,
    proximity: float = 1.0,
    least: int = 2,
    bandwidth: float | None = None,
) -> list[Chain]:
    """Find candidates for fusion, the greatest predicted gain first.

    Parameters
    ----------
    trace : Trace
    lengths : iterable of int, optional
        How many kernels a chain has, at least 2.
    proximity : float, optional
        The least proximity score, in (0, 1].
    least : int, optional
        The least number of occurrences.
    bandwidth : float, optional
        Bytes a second of the device's memory, to turn spared traffic into time.

    References
    ----------
    P. Vellaisamy et al., "Characterizing and Optimizing LLM Inference Workloads on CPU-GPU Coupled
    Architectures", 2025, https://arxiv.org/abs/2504.11750
    """
    checks.interval("proximity", proximity, 0.0, 1.0)
    checks.count("least", least)
    if not trace.has_kernels:
        return []
    runs = [run for step in trace.steps for run in step.sequences()]
    firsts = Counter(name for run in runs for name in _names(run))
    floor, before = trace.launch_floor, len(trace.step.launches)
    base = replay(trace.step, floor).latency
    found = []
    for length in lengths:
        checks.count("lengths", length, 2)
        for names, count in _occurrences(runs, length).items():
            score = count / firsts[names[0]]
            if score < proximity or count < least:
                continue
            groups = occurrences(trace.step, names)
            saved = sum(len(group.dispatches) - 1 for group in groups)
            if not saved:
                continue
            after = replay(trace.step, floor, fused=groups, bandwidth=bandwidth).latency
            found.append(
                Chain(
                    names,
                    tuple(_operator(d) for d in groups[0].dispatches),
                    count,
                    score,
                    len(groups),
                    saved,
                    sum(group.bytes for group in groups),
                    before / (before - saved),
                    base / after,
                )
            )
    return sorted(found, key=lambda chain: (-chain.predicted, len(chain.kernels), chain.kernels))


def fuse_all(trace: Trace, length: int) -> tuple[float, float]:
    """Fuse every deterministic chain of a length, from the left, in the median step.

    Returns
    -------
    launch_ratio, predicted : float
        As for a `Chain`.
    """
    checks.count("length", length, 2)
    if not trace.has_kernels:
        raise ValueError(NO_KERNELS)
    runs = [run for step in trace.steps for run in step.sequences()]
    firsts = Counter(name for run in runs for name in _names(run))
    counts = _occurrences(runs, length)
    groups = []
    for run in trace.step.sequences():
        names, k = _names(run), 0
        while k + length <= len(run):
            chain = tuple(names[k : k + length])
            if counts[chain] == firsts[chain[0]]:
                groups.append(Fused(run[k : k + length]))
                k += length
            else:
                k += 1
    before, floor = len(trace.step.launches), trace.launch_floor
    after = before - len(groups) * (length - 1)
    latency = replay(trace.step, floor).latency
    return before / after, latency / replay(trace.step, floor, fused=groups).latency


def occurrences(step: Step, names: Sequence[str]) -> list[Fused]:
    """Where a chain stands in a step, from the left, without overlaps."""
    wanted, found = list(names), []
    for run in step.sequences():
        have, k = _names(run), 0
        while k + len(wanted) <= len(run):
            if have[k : k + len(wanted)] == wanted:
                part = run[k : k + len(wanted)]
                found.append(Fused(part, _traffic(part)))
                k += len(wanted)
            else:
                k += 1
    return found


def chains_text(found: Sequence[Chain], *, rich: bool | None = None, most: int = 10) -> str:
    """A table of candidates."""
    if not found:
        return "No chain of kernels repeats as asked."
    rows = [
        (
            " > ".join(short(name, 24) for name in chain.kernels[:4])
            + (" > ..." if len(chain.kernels) > 4 else ""),
            len(chain.kernels),
            chain.fused,
            chain.proximity,
            chain.saved_launches,
            chain.saved_bytes / 1e6,
            chain.launch_ratio,
            chain.predicted,
        )
        for chain in found[:most]
    ]
    columns = ("chain", "length", "times", "proximity", "launches saved", "MB saved",
               "launch ratio", "predicted gain")  # fmt: skip
    return table("Fusion candidates (median step)", columns, rows, rich=rich)


def _names(run: Sequence[Dispatch]) -> list[str]:
    return [dispatch.work[0].name for dispatch in run]


def _occurrences(runs: Sequence[Sequence[Dispatch]], length: int) -> Counter[tuple[str, ...]]:
    """How often every chain of a length occurs; names are numbered, for hashing long ones once."""
    numbers: dict[str, int] = {}
    counts: Counter[tuple[int, ...]] = Counter()
    for run in runs:
        coded = [numbers.setdefault(name, len(numbers)) for name in _names(run)]
        counts.update(tuple(coded[k : k + length]) for k in range(len(coded) - length + 1))
    names = list(numbers)
    return Counter({tuple(names[c] for c in chain): n for chain, n in counts.items()})


def _operator(dispatch: Dispatch) -> str:
    return dispatch.operators[-1].name if dispatch.operators else ""


def _traffic(part: Sequence[Dispatch]) -> int:
    """Bytes handed on between the operators of a chain: each written once and read once."""
    total = 0
    for before, after in itertools.pairwise(part):
        if after.operators and after.operators[-1:] != before.operators[-1:]:
            total += 2 * after.operators[-1].bytes
    return total
