"""TritonBench: do operators run, are they right, how fast are they and how near to the roofline."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

WRITTEN = "Operators written for Triton can be scored by what they return: right solutions pass."
ALIGNED = "So can functions aligned with PyTorch's interface, in every call of their signature."
KERNELS = "Operators written in Triton itself are right by the same check."
APART = "Call accuracy counts what runs, execution accuracy what is right: planted faults come out."
EFFICIENCY = "Right operators that are not tuned reach a small share of what the device can do."
SPEED = "Right is not fast: plain solutions are on average not faster than the reference."

PAPER = Paper(
    slug="tritonbench",
    folder="lab",
    title=(
        "TritonBench: Benchmarking Large Language Model Capabilities for Generating Triton "
        "Operators"
    ),
    url="https://arxiv.org/abs/2502.14752",
    authors=(
        "Jianling Li, Shangzhan Li, Zhenye Gao, Qi Shi, Yuxuan Li, Zefan Wang, Jiacheng Huang, "
        "Haojie Wang, Jianrong Wang, Xu Han, Zhiyuan Liu, Maosong Sun"
    ),
    year=2025,
    summary=(
        "A benchmark of Triton operators in two channels, one of operators found in real code and "
        "one of functions aligned with PyTorch's interface, that measures whether they run, "
        "whether they are right, their speed-up and their efficiency on the GPU."
    ),
    parts=("mercer.lab.channels.channel", "mercer.lab.channels.score", "mercer.lab.sandbox.Pool"),
    claims=(WRITTEN, ALIGNED, KERNELS, APART, EFFICIENCY, SPEED),
)

NOTE = (
    "33 operators written for Triton and 65 of PyTorch's own, of our own choice; the published "
    "channels have 184 and PyTorch-aligned ones. Solutions are plain PyTorch by other formulas "
    "than the references. Triton runs interpreted without a GPU. Planted faults: a syntax error, "
    "a wrong value, an exception, a crash, an endless loop, a default that is not PyTorch's. "
    "Efficiency: the larger of the shares of measured bandwidth and of measured peak; quick: of "
    "one thread, on small tensors, in nine to fifteen rounds, since ratios of three, as tried "
    "first, were too noisy. Published accuracies are of language models, and its tables "
    "could not be read."
)
FAULTS = {  # text, and whether every call runs
    "amax": ("def amax(input, dim=(), keepdim=False)\n    return input.amax(dim)", False),
    "mean": ("def mean(input, dim):\n    return input.mean(dim)", False),
    "sigmoid": ("def sigmoid(input):\n    return 0.5 + 0.25 * input", True),
    "glu": ("import os\ndef glu(input, dim=-1):\n    os.abort()", False),
    "flip": ("def flip(input, dims):\n    while True: pass", False),
    "var": (
        "def var(input, dim=None, *, correction=0, keepdim=False):\n"
        "    return input.var(dim, correction=correction, keepdim=keepdim)",
        True,
    ),
}
QUICK = {"seeds": 1, "scales": (1.0,), "layouts": ("contiguous",), "timeout": 5.0}
TIMED = ("swiglu", "fused_softmax", "rms_norm_residual", "layer_norm_forward", "adamw_step")
INTERPRETED = ("swiglu", "fused_softmax", "rotary_embedding")


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` checks in every condition, times all operators, and runs on a GPU if there is one.
    seed : int
        Of the inputs.

    Returns
    -------
    Result
    """
    from mercer.lab.channels import score
    from mercer.lab.sandbox import Pool
    from mercer.lab.timing import measure_machine
    from mercer.papers.lab._tritonbench_kernels import KERNELS as TEXTS
    from mercer.papers.lab._tritonbench_solutions import solutions

    full = scale == "full"
    device = "cuda" if full and torch.cuda.is_available() else "cpu"
    checked = {"check_options": {"seed": seed} if full else {**QUICK, "seed": seed}}
    untimed: dict[str, Any] = {"baselines": (), "progress": False, **checked}
    names = list(TEXTS) if full else list(INTERPRETED)
    patient = {"check_options": {**checked["check_options"], "timeout": 300.0}}
    with _interpreted(device == "cpu"), Pool(device=device) as pool:
        kernels = score("triton", TEXTS, pool=pool, operators=names,
                        **{**untimed, **patient})  # fmt: skip
    with Pool(device=device) as pool:
        written = score("triton", solutions("triton"), pool=pool, **untimed)
        aligned = score("torch", solutions("torch"), pool=pool, **untimed)
        faults = score("torch", {name: text for name, (text, _) in FAULTS.items()}, pool=pool,
                       operators=list(FAULTS), **untimed)  # fmt: skip
        timed = score(
            "triton",
            solutions("triton"),
            pool=pool,
            operators=None if full else TIMED,
            size=None if full else "small",
            machine=measure_machine(device, repeats=5 if full else 1),
            race_options={} if full else {"fewest": 9, "most": 15, "block": 0.01},
            progress=False,
            **checked,
        )
    as_planted = [row.called == FAULTS[row.operator][1] and not row.right for row in faults.rows]
    claims = (
        _all_right(WRITTEN, written, 184),
        _all_right(ALIGNED, aligned, "PyTorch-aligned operators"),
        _all_right(KERNELS, kernels, "Triton"),
        Claim.at_least(
            APART,
            paper="both are counted",
            measured=sum(as_planted) / len(as_planted),
            bound=1.0,
            unit=f"of {len(as_planted)} faults",
            if_not="A fault was taken for right, or for one of another kind.",
        ),
        Claim.at_most(
            EFFICIENCY,
            paper="struggles",
            measured=timed.efficiency or math.nan,
            bound=0.5,
            unit="of the roofline, mean",
            if_not="PyTorch's own pieces are near the roofline on this device.",
        ),
        Claim.at_most(
            SPEED,
            paper="struggles",
            measured=timed.speedup() or math.nan,
            bound=1.0,
            unit="times eager, geometric mean",
            if_not="The references leave more to gain than the solutions.",
        ),
    )
    return Result(
        claims=claims,
        columns=("operator", "candidate", "calls right", "runs", "right", "us", "over eager",
                 "roofline %"),
        rows=tuple(
            _cells(kind, row)
            for kind, report in (("Triton", kernels), ("planted", faults), ("plain", timed))
            for row in report.rows
        ),
        draw=lambda figure: _draw(figure, timed),
        note=NOTE,
    )  # fmt: skip


@contextmanager
def _interpreted(wanted: bool) -> Iterator[None]:
    """Let workers that are made inside interpret Triton; the variable is put back."""
    before = os.environ.get("TRITON_INTERPRET")
    if wanted:
        os.environ["TRITON_INTERPRET"] = "1"
    try:
        yield
    finally:
        if before is not None:
            os.environ["TRITON_INTERPRET"] = before
        elif wanted:
            del os.environ["TRITON_INTERPRET"]


def _all_right(text: str, report: Any, paper: float | str) -> Claim:
    return Claim.at_least(
        text,
        paper=paper,
        measured=report.execution_accuracy,
        bound=1.0,
        unit=f"of {len(report.rows)} operators right",
        if_not="; ".join(f"{r.operator}: {r.failure}" for r in report.rows if not r.right)[:400]
        or "Some solution is refused.",
    )


def _cells(kind: str, row: Any) -> tuple[Any, ...]:
    right = f"{sum(call.right for call in row.calls)} of {len(row.calls)}"
    seconds = math.nan if row.seconds is None else 1e6 * row.seconds
    roofline = 100 * row.efficiency.roofline if row.efficiency else math.nan
    speedup = row.speedups.get("eager", math.nan)
    return row.operator, kind, right, row.called, row.right, seconds, speedup, roofline


def _draw(figure: Any, report: Any) -> None:
    """Shares of bandwidth and of peak that each operator reaches, and its speed-up."""
    left, right = figure.subplots(1, 2, sharey=True)
    rows = [row for row in report.rows if row.efficiency is not None]
    places = range(len(rows))
    left.barh(
        [p + 0.2 for p in places],
        [100 * r.efficiency.bandwidth for r in rows],
        0.4,
        label="bandwidth",
    )
    left.barh([p - 0.2 for p in places], [100 * r.efficiency.peak for r in rows], 0.4, label="peak")
    left.set_yticks(list(places), [row.operator for row in rows])
    left.set_xlabel("% of what the device reached")
    left.legend(frameon=False)
    right.barh(list(places), [row.speedups["eager"] for row in rows], color="C2")
    right.axvline(1, color="grey", lw=0.8, ls=":")
    right.set_xlabel("times as fast as the reference")
