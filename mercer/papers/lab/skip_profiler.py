"""SKIP: where inference is bound by launching kernels, and what fusing them would save."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mercer.lab.profile import Boundedness, Trace, fuse_all, transition_if
from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

TRANSITION = "Over batch sizes every model turns from CPU- to GPU-bound, and the TKLQT shows where."
ENCODER = "At batch 1 an encoder is CPU-bound: its launches wait for little but launching."
LATENCY = "While CPU-bound the latency grows more slowly with the batch than while GPU-bound."
SLOWER = "With a slower CPU, inference remains CPU-bound up to larger batches."
LAUNCHES = "Fusing chains that always follow each other would save most launches."
GAIN = "At batch 1, where inference is CPU-bound, fusion lowers the latency of every model."

PAPER = Paper(
    slug="skip-profiler",
    folder="lab",
    title=(
        "Characterizing and Optimizing LLM Inference Workloads on CPU-GPU Coupled Architectures"
    ),
    url="https://arxiv.org/abs/2504.11750",
    authors=(
        "Prabhu Vellaisamy, Thomas Labonte, Sourav Chakraborty, Matt Turner, Samantika Sury, "
        "John Paul Shen"
    ),
    year=2025,
    summary=(
        "A profiler that links operators to launches to kernels in torch's traces. The total time "
        "from launches to the beginning of their kernels (TKLQT) is flat over the batch size while "
        "the CPU limits, and rises once kernels queue. Chains of kernels that always follow each "
        "other are candidates for fusion."
    ),
    parts=(
        "mercer.lab.profile.profile",
        "mercer.lab.profile.Trace",
        "mercer.lab.profile.Boundedness",
        "mercer.lab.profile.fuse_all",
        "mercer.lab.profile.verify_fusion",
    ),
    claims=(TRANSITION, ENCODER, LATENCY, SLOWER, LAUNCHES, GAIN),
)

NOTE = (
    "Encoder: 12 layers of BERT-base on 512 tokens; decoder: prefill of eight Llama-like layers of "
    "width 1024 on 512 tokens; resnet: eight residual blocks on 224 x 224 images; half precision, "
    "eager, random weights. Quick scale reads the traces in benchmarks/results/traces, recorded by "
    "benchmarks/skip_profile.py; full scale records them if there is a GPU. GPU-bound: TKLQT more "
    "than twice what it is if no launch waits. The published comparison is between machines (PCIe "
    "and GH200); here the slower CPU is a replay of the traces with twice the time between "
    "launches. A chain is fused wherever it stands, and timed against the same operators called "
    "one by one. The profiler slows the CPU, which moves transitions up. Published figures are "
    "from the abstract, and definitions from it and a summary; the text's tables could not be read."
)
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"
LENGTHS = (2, 4, 8, 16, 32, 64, 128, 256)


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` records new traces on a GPU, if there is one.
    seed : int
        Of the weights, where traces are recorded.

    Returns
    -------
    Result
    """
    if scale == "full" and torch.cuda.is_available():
        from mercer.papers.lab import _skip_profiler_models as models

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            traces = models.record(torch.device("cuda"))
            gains = models.gains(torch.device("cuda"))
        where = torch.cuda.get_device_name()
    else:
        traces, gains, where = _stored(RESULTS)
    bounds = {name: Boundedness.of(of_batch) for name, of_batch in traces.items()}
    gains = [row for row in gains if "failed" not in row]
    claims = (
        _transition(bounds),
        _encoder(bounds),
        _latency(bounds),
        _slower(traces),
        _launches(traces),
        _gain(list(traces), gains),
    )
    return Result(
        claims=claims,
        columns=("model", "batch", "launches", "TKLQT us", "delay / floor", "latency us",
                 "GPU idle %", "bound"),
        rows=tuple(
            (name, p.batch, p.launches, p.tklqt, p.ratio, p.latency, 100 * p.idle_share, p.bound)
            for name, found in bounds.items()
            for p in found.points
        ),
        draw=lambda figure: _draw(figure, bounds, gains),
        note=f"{NOTE} Traces of: {where}. Fusion at batch 1: {_sentences(gains)}",
    )  # fmt: skip


def _stored(folder: Path) -> tuple[dict[str, dict[int, Trace]], list[dict[str, Any]], str]:
    """Traces, gains and the machine that a benchmark kept."""
    traces: dict[str, dict[int, Trace]] = {}
    for path in sorted((folder / "traces").glob("*-*.json.gz")):
        name, _, batch = path.name.removesuffix(".json.gz").rpartition("-")
        traces.setdefault(name, {})[int(batch)] = Trace.read(path)
    if not traces:
        raise FileNotFoundError(
            f"there are no traces in {folder / 'traces'}; record them on a GPU by "
            "python benchmarks/skip_profile.py, or run scale full on one"
        )
    kept = json.loads((folder / "skip_profile.json").read_text())
    return traces, kept["gains"], kept["machine"]


def _transition(bounds: Mapping[str, Boundedness]) -> Claim:
    return Claim.at_least(
        TRANSITION,
        paper="all models",
        measured=sum(found.transition is not None for found in bounds.values()),
        bound=len(bounds),
        unit=f"of {len(bounds)} models, batch 1 to 64",
        if_not="A model is bound by one side at all of these batch sizes.",
    )


def _encoder(bounds: Mapping[str, Boundedness]) -> Claim:
    return Claim.at_most(
        ENCODER,
        paper="CPU-bound",
        measured=bounds["encoder"].points[0].ratio,
        bound=2.0,
        unit="of the delay of a launch that waits for nothing, mean over launches",
        if_not="On this machine 512 tokens keep the GPU busy for longer than the CPU launches.",
    )


def _latency(bounds: Mapping[str, Boundedness]) -> Claim:
    """The worst ratio of slopes in logarithms, before and after the transition."""
    ratios = []
    for found in bounds.values():
        sides = [[p for p in found.points if p.bound == bound] for bound in ("CPU", "GPU")]
        # The point at which both meet belongs to both.
        low, high = sides[0], sides[0][-1:] + sides[1]
        if len(low) > 1 and len(high) > 1:
            ratios.append(_slope(low) / _slope(high))
    return Claim.at_most(
        LATENCY,
        paper="flat, then rising",
        measured=max(ratios, default=math.nan),
        bound=1.0,
        unit="slope before over slope after, log latency over log batch, worst model",
        if_not="No model has two batch sizes on either side of the transition.",
    )


def _slope(points: list[Any]) -> float:
    first, last = points[0], points[-1]
    return math.log(last.latency / first.latency) / math.log(last.batch / first.batch)


def _slower(traces: Mapping[str, Mapping[int, Trace]]) -> Claim:
    moved = []
    for of_batch in traces.values():
        now, slower = transition_if(of_batch, 1.0), transition_if(of_batch, 2.0)
        if now is not None:
            moved.append(math.inf if slower is None else slower / now)
    measured = min(moved, default=math.nan)
    return Claim.at_least(
        SLOWER,
        paper=4.0,
        measured=min(measured, 64.0),
        bound=1.1,
        unit="times the batch, CPU twice as slow, least of the models; 64 if it stays CPU-bound",
        if_not="The transition does not depend on the CPU.",
    )


def _launches(traces: Mapping[str, Mapping[int, Trace]]) -> Claim:
    """The best length's ratio of launches before and after, for the worst model."""
    best = []
    for of_batch in traces.values():
        trace = of_batch[min(of_batch)]
        best.append(max(fuse_all(trace, length)[0] for length in LENGTHS))
    return Claim.at_least(
        LAUNCHES,
        paper="significant",
        measured=min(best),
        bound=2.0,
        unit="launches before over after, best length of chains, worst model, batch 1",
        if_not="Most kernels of a model are followed by different ones.",
    )


def _gain(models: list[str], gains: list[dict[str, Any]]) -> Claim:
    best = [max((r["measured"] for r in gains if r["model"] == m), default=0.0) for m in models]
    return Claim.at_least(
        GAIN,
        paper="significant",
        measured=min(best),
        bound=1.02,  # beyond what timing repeats to
        unit="latency before over after, best variant, worst model",
        if_not="What the fused variant costs to call is more than the launches it saves.",
    )


def _sentences(gains: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{r['model']}, {_variant(r)}: {r['measured']:.3g}x, predicted {r['predicted']:.3g}x"
        for r in gains
    )


def _variant(row: dict[str, Any]) -> str:
    part = f"chains of {row['length']}" if row["length"] else "whole"
    return f"{part} by {'CUDA graph' if row['method'] == 'cuda graph' else row['method']}"


def _draw(figure: Any, bounds: Mapping[str, Boundedness], gains: list[dict[str, Any]]) -> None:
    """TKLQT and latency over the batch of each model; measured over predicted gains."""
    from mercer.lab.profile.drawing import over_batches

    axes = figure.subplots(1, len(bounds) + 1, width_ratios=[1] * len(bounds) + [1.2])
    times = [t for found in bounds.values() for p in found.points for t in (p.tklqt, p.latency)]
    for k, (name, found) in enumerate(bounds.items()):
        over_batches(axes[k], found)
        where = "" if found.transition is None else f", turns at {found.transition:.2g}"
        axes[k].set_title(name + where, fontsize=10)
        axes[k].set_ylim(0.7 * min(times), 1.4 * max(times))
        if k:
            axes[k].get_legend().remove()
            axes[k].set_ylabel("")
            axes[k].tick_params(labelleft=False)
    lines, names = axes[0].get_legend_handles_labels()
    names = [name.partition(",")[0] for name in names]
    axes[0].legend(lines, names, fontsize=7, loc="upper left")
    _draw_gains(axes[-1], list(bounds), gains)


def _draw_gains(axes: Any, models: list[str], gains: list[dict[str, Any]]) -> None:
    """A colour a model, a marker a method; what lies on the line came as predicted."""
    from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

    markers = {"compile": "o", "cuda graph": "^"}
    for row in gains:
        color = f"C{models.index(row['model'])}"
        marker = markers[row["method"]]
        axes.scatter(row["predicted"], row["measured"], s=22, alpha=0.8, marker=marker, color=color)
    for k, name in enumerate(models):
        axes.plot([], [], "s", color=f"C{k}", label=name)
    for method, marker in markers.items():
        axes.plot([], [], marker, color="grey", label=method.replace("cuda", "CUDA"))
    ends = [row[key] for row in gains for key in ("predicted", "measured")] or [1.0]
    span = (0.8 * min(*ends, 1.0), 1.25 * max(*ends, 1.0))
    axes.plot(span, span, color="grey", linewidth=0.8)
    axes.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="predicted gain", ylabel="measured gain")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0.2, 0.5, 1, 2, 5, 10, 20]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FormatStrFormatter("%g"))
    axes.set(xlim=(0.9, span[1]), ylim=span)
    axes.set_title("fusion at batch 1", fontsize=10)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
