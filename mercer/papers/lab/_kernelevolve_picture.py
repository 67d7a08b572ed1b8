"""The picture of searches for kernels."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def final(row: Mapping[str, Any]) -> float:
    """A problem's speed-up in the final race; 0 if it has none."""
    final = row.get("final")
    return float(final) if isinstance(final, (int, float)) else 0.0


def draw(
    figure: Any,
    problem: str,
    shown: Any,
    found: Mapping[str, Sequence[Any]],
    record: Mapping[str, Any] | None,
) -> None:
    """Lineage graph of the measured search, best speed-ups by policy, the GPU's record."""
    from matplotlib.ticker import MaxNLocator

    from mercer.lab.search import lineage

    left, middle, *rest = figure.subplots(1, 2 if record is None else 3)
    nodes = {e.digest: e for e in shown.entries if e.speedup}
    ancestors = {e.digest for e in lineage(shown.entries, shown.best.digest)}
    for entry in nodes.values():
        for above in (nodes[p] for p in entry.parents):
            way = entry.digest in ancestors
            ends = (above.number, entry.number), (above.speedup, entry.speedup)
            left.plot(*ends, color="C3" if way else "0.75", lw=1.8 if way else 0.8, zorder=1)
    for island in (0, 1):
        own = [e for e in nodes.values() if e.island == island]
        points = [e.number for e in own], [e.speedup for e in own]
        left.scatter(*points, color=f"C{island}", zorder=2, label=f"island {island}")
    left.plot([], [], color="C3", label="way to the best")
    left.set_title(f"{problem} in C++, measured", fontsize=10)
    left.set(xlabel="candidate", ylabel="times as fast as the naive program")
    left.legend(fontsize=8, frameon=False)
    for k, (name, results) in enumerate(found.items()):
        courses = [_course(result.entries) for result in results]
        mean = [
            statistics.geometric_mean(c[min(n, len(c) - 1)] for c in courses) for n in range(20)
        ]
        style = "--" if name == "blind" else "-"
        middle.step(range(20), mean, where="post", color=f"C{k}", ls=style, label=name)
    middle.set_title("best so far, Triton, by formula", fontsize=10)
    middle.set(xlabel="candidate")
    middle.legend(fontsize=8, frameon=False)
    for axes in (left, middle):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if record is not None:
        finals = sorted(final(row) for row in record["rows"])
        colors = ["C2" if speedup >= 1.5 else "0.7" for speedup in finals]
        rest[0].barh(range(len(finals)), finals, color=colors)
        rest[0].axvline(1.5, color="black", lw=0.8, ls=":")
        rest[0].set(xlabel="times as fast as torch.compile", yticks=[])
        rest[0].set_title(f"{len(finals)} problems on a GPU", fontsize=10)


def _course(entries: Sequence[Any]) -> list[float]:
    """Best speed-up after each candidate; the first is the naive program."""
    return list(itertools.accumulate((e.speedup or 0.0 for e in entries), max))
