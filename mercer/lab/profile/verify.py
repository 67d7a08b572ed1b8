"""A predicted gain of fusion, checked: the chain is fused and timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, fx

from mercer import checks
from mercer.lab.profile.fusion import Chain, occurrences
from mercer.lab.profile.graphed import Graphed
from mercer.lab.profile.record import profile, synchronise, usable
from mercer.lab.profile.regions import Span, capture, operator_name, operator_nodes, replaced
from mercer.lab.profile.replay import Fused, replay
from mercer.lab.profile.trace import Trace

METHODS = ("compile", "cuda graph")


@dataclass(frozen=True)
class Verification:
    """What fusing a chain was predicted to gain, and gained.

    Parameters
    ----------
    method : str
    occurrences : int
        Stretches of operators that were replaced.
    launches_before, launches_after : int
        Of kernels, in one call; 0 on a CPU.
    predicted : float or None
        Latency before over after, by `replay`, of the same operators; None without a GPU.
    measured : float
        The same, of medians of timed calls.
    eager_seconds, unfused_seconds, fused_seconds : float
        Medians: the function as it is; its operators called one by one from a graph, which spares
        the modules' own Python; the same graph with the stretches fused. `measured` is of the last
        two: what fusion alone does.
    error : float
        The largest difference of an output from the eager one, over that one's largest entry.
    """

    method: str
    occurrences: int
    launches_before: int
    launches_after: int
    predicted: float | None
    measured: float
    eager_seconds: float
    unfused_seconds: float
    fused_seconds: float
    error: float

    def json(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)

    def text(self) -> str:
        """One sentence."""
        predicted = "" if self.predicted is None else f", predicted {self.predicted:.3g}x"
        return (
            f"Fusing {self.occurrences} stretches by {self.method} gained {self.measured:.3g}x"
            f"{predicted}: {1e6 * self.unfused_seconds:.4g} to {1e6 * self.fused_seconds:.4g} us, "
            f"{self.launches_before} to {self.launches_after} launches."
        )


def verify_fusion(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    candidate: Chain | None,
    method: str = "compile",
    *,
    backend: str = "inductor",
    repeats: int = 30,
    tolerance: float = 1e-3,
    device: str | torch.device | None = None,
) -> Verification:
    """Fuse a chain wherever it stands in a function, and time both.

    Parameters
    ----------
    function : callable
        Of tensors, without operators in place where it is to be fused.
    inputs : sequence
    candidate : Chain or None
        From `chains`; None fuses the whole function.
    method : {"compile", "cuda graph"}
        Each stretch by `torch.compile`, or recorded as a CUDA graph of its own.
    backend : str, optional
        Of `torch.compile`.
    repeats : int, optional
        Timed calls of each variant, in turn.
    tolerance : float, optional
        The largest `error` that counts as the same result.
    device : str or torch.device, optional
        Where the inputs are; default: "cuda" where there is one.

    Raises
    ------
    ValueError
        If the method needs a GPU, the chain does not occur, or the fused result differs.
    """
    checks.count("repeats", repeats)
    device = usable(device)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if device.type == "cpu" and (candidate is not None or method == "cuda graph"):
        raise ValueError(
            "chains of kernels and CUDA graphs need a GPU; on a CPU verify_fusion takes "
            'candidate=None and method="compile"'
        )

    def wrap(stretch: fx.GraphModule) -> Callable[..., Any]:
        if method == "cuda graph":
            return Graphed(stretch)
        compiled: Callable[..., Any] = torch.compile(stretch, backend=backend, dynamic=False)
        return compiled

    with torch.no_grad():
        unfused = capture(function, inputs)
        trace = profile(unfused, *inputs, device=device)
        spans = _spans(unfused, trace, candidate)
        fused = replaced(unfused, spans, wrap)
        error = _difference(fused(*inputs), function(*inputs))
        if not error <= tolerance:
            raise ValueError(
                f"the fused function differs from the eager one by {error:.2g} of its largest "
                f"entry, more than the tolerance {tolerance:g}"
            )
        eager, before, fused_seconds = _race([function, unfused, fused], inputs, device, repeats)
        after = profile(fused, *inputs, device=device)
    return Verification(
        method,
        len(spans),
        len(trace.step.launches),
        len(after.step.launches),
        _predicted(unfused, trace, spans) if trace.has_kernels else None,
        before / fused_seconds,
        eager,
        before,
        fused_seconds,
        error,
    )


def _owners(module: fx.GraphModule, trace: Trace) -> dict[int, int]:
    """For every launch of the median step (by id), the place of its operator in the graph."""
    outermost = {id(event) for event in trace.outermost}
    operators = [event for event in trace.step.operators if id(event) in outermost]
    nodes = operator_nodes(module)
    names = [operator_name(node) for node in nodes]
    if [event.name for event in operators] != names:
        raise ValueError(
            f"the function ran {len(operators)} operators under the profiler and {len(names)} when "
            "it was captured; it must do the same at every call"
        )
    places = {id(event): k for k, event in enumerate(operators)}
    return {id(d): places[id(d.operators[0])] for d in trace.step.dispatches if d.operators}


def _spans(module: fx.GraphModule, trace: Trace, candidate: Chain | None) -> list[Span]:
    """The stretches of operators that launch the chain; those that meet become one."""
    if candidate is None:
        return [(0, len(operator_nodes(module)) - 1)]
    owners = _owners(module, trace)
    spans: list[Span] = []
    for group in occurrences(trace.step, candidate.kernels):
        places = [owners[id(d)] for d in group.dispatches]
        first, last = min(places), max(places)
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    if not spans:
        raise ValueError(
            "the chain does not occur in this function with these inputs; find it by chains() in a "
            "trace of the same function and shapes"
        )
    return spans


def _predicted(module: fx.GraphModule, trace: Trace, spans: Sequence[Span]) -> float:
    """Latency before over after, were every stretch one launch."""
    owners = _owners(module, trace)
    groups = []
    for first, last in spans:
        members = [d for d in trace.step.launches if first <= owners.get(id(d), -1) <= last]
        if members:
            groups.append(Fused(members))
    floor = trace.launch_floor
    return replay(trace.step, floor).latency / replay(trace.step, floor, fused=groups).latency


def _race(
    functions: Sequence[Callable[..., Any]],
    inputs: Sequence[Any],
    device: torch.device,
    repeats: int,
) -> list[float]:
    """Median seconds of a call of each, in turn, so that drifts of the clock meet all."""
    times: list[list[float]] = [[] for _ in functions]
    for k in range(repeats + 3):
        for function, of_function in zip(functions, times):
            synchronise(device)
            start = time.perf_counter()
            function(*inputs)
            synchronise(device)
            if k >= 3:
                of_function.append(time.perf_counter() - start)
    return [statistics.median(t) for t in times]


def _difference(result: Any, expected: Any) -> float:
    """The largest difference of a tensor over the largest entry of what was expected."""
    if isinstance(expected, Tensor):
        scale = expected.abs().max().clamp(min=torch.finfo(torch.float32).tiny).double()
        return float((result.double() - expected.double()).abs().max() / scale)
    if isinstance(expected, dict):
        return max(_difference(result[key], expected[key]) for key in expected)
    if isinstance(expected, (list, tuple)):
        return max(_difference(*pair) for pair in zip(result, expected, strict=True))
    return 0.0
