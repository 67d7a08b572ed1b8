"""KernelEvolve: kernels written by a search over a graph of candidates."""

from __future__ import annotations

import json
import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.lab._kernelevolve_picture import draw, final
from mercer.papers.result import Result

KEPT = "Killed and resumed, a search repeats the candidate in flight at most and loses nothing."
COVERED = "Every problem of the suite gets a program to start from."
RIGHT = "The programs that are written pass the check."
NAIVE = "The best program found is faster than the one that the search starts from."
BLIND = "With as many candidates, selecting by fitness finds faster programs than blind selection."
RETRIEVED = "Notes on a problem's own kind of kernel are among those retrieved for its prompt."
GPU = "On a GPU, the search outruns torch.compile substantially on memory-bound problems."

PAPER = Paper(
    slug="kernelevolve",
    folder="lab",
    title=("KernelEvolve: Scaling Agentic Kernel Coding for Heterogeneous AI Accelerators at Meta"),
    url="https://arxiv.org/abs/2512.23236",
    authors="Gang Liao, Hongsen Qin, Ying Wang, and others",
    year=2025,
    summary=(
        "Writing a kernel is a search on a graph of candidates: a policy selects parents, one "
        "operator asks a model for the next candidate with a prompt that holds retrieved notes and "
        "earlier results, fitness is the speed-up, and a rule ends it. All is kept in a database."
    ),
    parts=(
        "mercer.lab.search.evolve",
        "mercer.lab.search.Database",
        "mercer.lab.search.Tree",
        "mercer.lab.search.Islands",
        "mercer.lab.search.Retrieval",
        "mercer.lab.models.Proposer",
        "mercer.lab.templates.emit",
        "mercer.lab.verify.check",
    ),
    claims=(KEPT, COVERED, RIGHT, NAIVE, BLIND, RETRIEVED, GPU),
)

NOTE = (
    "The model is the built-in proposer: schedules over templates, no language model. The suite "
    "is our memory-bound problems, not KernelBench's 250; quick: every sixth gets a program, and "
    "six of these, naive and fused in turn, are checked in C++ in the sandbox. Searches start from "
    "the naive program alone. One is measured in C++ on this machine, each program once, and its "
    "best raced against the naive one anew. Policies are compared in Triton's schedules by a "
    "formula, not by a clock: launches, bytes over bandwidth, loads under way; by real timings in "
    "C++ of one seed, tried first, they had lost to blind choice (0.84). Blind: any "
    "candidate is a parent. A search ends early if sixteen answers in a row are known. The search "
    "that is killed reads the seconds of the measured one from a table, so that one left in "
    "peace must be equal to it in all that is kept. GPU: benchmarks/results/lab_search.json, "
    "written by benchmarks/lab_search.py, thirty problems drawn at random; a problem without a "
    "program counts as slower; the bound of a third is our own reading of substantial. Published: "
    "100 % on 250 problems; 1.25 to 17 times PyTorch in production, as read in summaries."
)
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results" / "lab_search.json"
PROBLEM = "gated_rms_norm"
NO_RECORD = "There is no record of a search on a GPU in benchmarks/results/lab_search.json."
KINDS = {
    "row_reduction": ("softmax", "log_softmax", "layer_norm", "rms_norm", "row_log_sum_exp"),
    "column_reduction": ("column_sum", "column_maximum", "column_softmax", "standardised_tanh"),
    "elementwise": ("gelu", "silu", "mish", "hard_swish", "bias_gelu", "squared_relu"),
    "scan": ("cumulative_sum", "cumulative_maximum", "reverse_cumulative_sum", "linear_recurrence"),
    "few_rows": ("mean_squared_error", "huber_loss", "total_square", "batch_norm", "group_norm"),
    "transposition": ("transposition", "heads_first"),
}


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes all problems, checks each twice, and searches longer with more seeds.
    seed : int
        Of inputs and searches.

    Returns
    -------
    Result
    """
    from mercer.lab.problems import find
    from mercer.lab.search import Greedy, Islands, Tree
    from mercer.papers.lab import _kernelevolve_search as searching

    full = scale == "full"
    table = searching.Table(find(PROBLEM), seed=seed, repeats=30 if full else 15)
    islands = table.search(Islands(2), candidates=60 if full else 14, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        survival = searching.kill_and_resume(
            table, Islands(2), candidates=len(islands.entries), seed=seed, kills=4,
            folder=Path(folder),
        )  # fmt: skip
    again = table.raced_again(islands.best, rounds=200 if full else 40)
    blind = searching.Blind()
    policies = {"greedy": Greedy(), "tree": Tree(), "islands": Islands(2), "blind": blind}
    roofline = searching.Roofline(find(PROBLEM))
    seeds = range(seed, seed + (16 if full else 3))
    found = {
        name: [roofline.search(policy, candidates=20, seed=s) for s in seeds]
        for name, policy in policies.items()
    }
    graphs, refused = _graphs(1 if full else 6)
    wrong, checked = _checked(graphs, full, seed)
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    claims = (
        _kept(survival),
        Claim.at_least(
            COVERED,
            paper=1.0,
            measured=len(graphs) / (len(graphs) + len(refused)),
            bound=1.0,
            unit=f"of {len(graphs) + len(refused)} memory-bound problems",
            if_not=f"No program is written where the reference is not one graph: {_few(refused)}.",
        ),
        Claim.at_least(
            RIGHT,
            paper=1.0,
            measured=1 - len(wrong) / checked,
            bound=1.0,
            unit=f"of {checked} programs",
            if_not=f"The check refuses {_few(wrong)}.",
        ),
        Claim.at_least(
            NAIVE,
            paper="1.25 to 17",
            measured=again,
            bound=1.25,
            unit=f"times as fast, {PROBLEM}, in a new race",
            if_not="In a new race the best of so few candidates gains less than that.",
        ),
        Claim.at_least(
            BLIND,
            paper="graph search",
            measured=_against_blind(found),
            bound=1.0,
            unit="times as fast by a formula, mean over seeds, worst of three policies",
            if_not="So few steps lead from naive to fused here that drawing parents finds them.",
        ),
        _retrieved(),
        _gpu(record),
    )
    return Result(
        claims=claims,
        columns=("search", "seed", "candidates", "failed", "speed-up", "found as", "stopped"),
        rows=(
            _row("islands, C++, measured", seed, islands),
            *(
                _row(f"{name}, Triton, formula", s, result)
                for name in found
                for s, result in zip(seeds, found[name])
            ),
        ),
        draw=lambda figure: draw(figure, PROBLEM, islands, found, record),
        note=NOTE,
    )


def _graphs(step: int) -> tuple[dict[str, Any], list[str]]:
    """Graphs of the problems that get a naive program in both languages, and the other names."""
    from mercer.lab.problems import catalogue
    from mercer.lab.templates import Unsupported, emit, naive, trace

    graphs, refused = {}, []
    for name, problem in sorted(catalogue(tags=["memory-bound"]).items())[::step]:
        try:
            graph = trace(problem)
            emit(graph, naive(graph, "triton"), size="race")
            emit(graph, naive(graph, "cpp"), size="desk")
        except Unsupported:
            refused.append(name)
        else:
            graphs[name] = graph
    return graphs, refused


def _checked(graphs: Mapping[str, Any], full: bool, seed: int) -> tuple[list[str], int]:
    """Names of problems whose program in C++ is refused, and how many were tried."""
    from mercer.lab.problems import find
    from mercer.lab.sandbox import Pool
    from mercer.lab.templates import emit, fused, naive
    from mercer.lab.verify import check

    wrong, checked = [], 0
    options: dict[str, Any] = {} if full else {"seeds": 1, "scales": (1.0,), "sizes": ("odd",)}
    with Pool() as pool:
        for k, (name, graph) in enumerate(graphs.items()):
            schedules = [naive(graph, "cpp"), fused(graph, size="desk", language="cpp")]
            for schedule in schedules if full else [schedules[k % 2]][: k < 6]:
                verdict = check(
                    find(name), emit(graph, schedule, size="desk"), pool=pool, backward=False,
                    layouts=("contiguous", "strided"), timeout=180.0, seed=seed, **options,
                )  # fmt: skip
                checked += 1
                wrong += [] if verdict.right else [name]
    return wrong, checked


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")


def _kept(survival: Any) -> Claim:
    repeats = survival.repeated / survival.kills if survival.kills else math.nan
    return Claim.at_most(
        KEPT,
        paper="persistent",
        measured=repeats if survival.same else math.inf,
        bound=1.0,
        unit=f"evaluations repeated per kill, {survival.kills} kills",
        if_not="What is read back is not what a search left in peace has kept."
        if not survival.same
        else "More than the candidate in flight was evaluated again.",
    )


def _against_blind(found: Mapping[str, Sequence[Any]]) -> float:
    """Geometric mean over seeds of the best speed-ups over blind ones, of the worst policy."""
    mean = {
        name: statistics.fmean(result.best.fitness for result in results)
        for name, results in found.items()
    }
    return math.exp(min(mean[name] for name in mean if name != "blind") - mean["blind"])


def _retrieved() -> Claim:
    from mercer.lab.problems import find
    from mercer.lab.search import Retrieval, own_notes
    from mercer.lab.search.prompt import question

    retrieve = Retrieval(own_notes())
    missed = [
        name
        for kind, names in KINDS.items()
        for name in names
        if kind not in [note.name for note in retrieve(question(find(name), [], []))]
    ]
    total = sum(map(len, KINDS.values()))
    return Claim.at_least(
        RETRIEVED,
        paper="retrieval-augmented",
        measured=1 - len(missed) / total,
        bound=1.0,
        unit=f"of {total} problems, of whose kind is one note of twelve; three are retrieved",
        if_not=f"Common words let longer notes on the chip outrank it for {_few(missed)}.",
    )


def _gpu(record: Mapping[str, Any] | None) -> Claim:
    finals = [] if record is None else [final(row) for row in record["rows"]]
    fast = sum(speedup >= 1.5 for speedup in finals)
    seconds = 0.0 if record is None else record["seconds"]
    return Claim.at_least(
        GPU,
        paper="substantial",
        measured=fast / len(finals) if finals else math.nan,
        bound=1 / 3,
        unit=f"of {len(finals)} problems at 1.5x or more, {seconds:.0f} s for all searches",
        if_not=NO_RECORD if record is None else "On too few of them do the templates gain so much.",
    )


def _row(name: str, seed: int, result: Any) -> tuple[Any, ...]:
    failed = sum(bool(entry.failure) for entry in result.entries)
    best = result.best
    count = len(result.entries)
    return name, seed, count, failed, best.speedup, best.number, result.stopped
