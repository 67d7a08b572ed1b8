"""A run's pictures: progress, lineage, roofline."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from mercer.lab.report.chart import Chart
from mercer.lab.report.circumstances import Circumstances
from mercer.lab.search import Entry, best_over_time, lineage


def anchor(run: int, number: int) -> str:
    """Return the address of a candidate on the page."""
    return f"r{run}c{number}"


def progress(run: int, entries: Sequence[Entry]) -> Markup:
    """Draw every timed candidate's speed-up and the best so far, in the order they were made."""
    timed = [e for e in entries if e.speedup is not None]
    if not timed:
        return Markup()
    chart = _by_number(entries, "speed-up", "Speed-up of the candidates in their order")
    steps = best_over_time(entries)
    corners: list[tuple[float, float]] = []
    for step in steps:
        if corners:
            corners.append((step.number, corners[-1][1]))
        corners.append((step.number, step.speedup))
    corners.append((_end(entries), corners[-1][1]))
    chart.line(corners, "best")
    for entry in timed:
        chart.dot(entry.number, entry.speedup or 1.0, "right", says=_says(entry),
                  link=f"#{anchor(run, entry.number)}")  # fmt: skip
    return chart.svg()


def ancestry(run: int, entries: Sequence[Entry]) -> Markup:
    """Draw every candidate with a line from each of its parents; failures lie at the bottom."""
    if not entries:
        return Markup()
    chart = _by_number(entries, "speed-up", "Which candidate was made from which", failures=True)
    low = chart.ranges["y"][0]
    place = {e.digest: (float(e.number), e.speedup or low) for e in entries}
    champion = max(
        (e for e in entries if e.speedup is not None), key=lambda e: e.speedup or 0.0, default=None
    )
    bold = _ancestors(entries, champion)
    for entry in entries:
        for parent in entry.parents:
            if parent in place:
                kind = "descent" if entry.digest in bold and parent in bold else "edge"
                chart.line([place[parent], place[entry.digest]], kind)
    for entry in entries:
        kind = "wrong" if entry.failure else "right" if entry.speedup is not None else "waiting"
        chart.dot(*place[entry.digest], kind, says=_says(entry),
                  link=f"#{anchor(run, entry.number)}")  # fmt: skip
    return chart.svg()


def roofline(run: int, entries: Sequence[Entry], known: Circumstances) -> Markup:
    """Draw what the device allows over operations per byte, and what each kernel reaches.

    Every kernel of a problem has the same place on the axis: that of the work that none can spare.
    """
    timed = [e for e in entries if e.seconds is not None and e.speedup is not None]
    if not timed or known.flops <= 0 or known.bytes <= 0:
        return Markup()
    intensity, ridge = known.flops / known.bytes, known.peak / known.bandwidth
    reached = [known.flops / (e.seconds or 1.0) / 1e9 for e in timed]
    across = (min(intensity, ridge) / 8, max(intensity, ridge) * 8)
    bottom = min(*reached, known.bandwidth * across[0] / 1e9) / 1.5
    chart = Chart(
        across,
        (bottom, max(*reached, known.peak / 1e9) * 1.8),
        xlabel="operations per byte that must move",
        ylabel="billion operations a second",
        title="Roofline of the device and the kernels below it",
        logarithmic="xy",
    )
    roof = [(x, min(known.peak, known.bandwidth * x) / 1e9) for x in (across[0], ridge, across[1])]
    chart.line(roof, "roof")
    chart.word(across[1], known.peak / 1e9, f"{known.peak / 1e9:.3g} GFLOP/s", anchor="end")
    chart.word(across[0], roof[0][1] * 2.5, f"{known.bandwidth / 1e9:.3g} GB/s")
    best = min(timed, key=lambda e: e.seconds or 0.0)
    for entry, value in sorted(zip(timed, reached), key=lambda pair: pair[1]):
        share = known.floor / (entry.seconds or 1.0)
        chart.dot(intensity, value, "best-dot" if entry is best else "right",
                  says=f"{_says(entry)}: {share:.0%} of the roofline",
                  link=f"#{anchor(run, entry.number)}")  # fmt: skip
    return chart.svg()


def _by_number(
    entries: Sequence[Entry], ylabel: str, title: str, *, failures: bool = False
) -> Chart:
    speeds = [e.speedup for e in entries if e.speedup is not None] or [1.0]
    low, high = min(*speeds, 1.0) / 1.15, max(*speeds, 1.0) * 1.15
    if failures:
        low /= (high / low) ** 0.2  # a strip for what has no speed-up
    return Chart(
        (-0.5, _end(entries)),
        (low, high),
        xlabel="candidate",
        ylabel=ylabel,
        title=title,
        logarithmic="y",
    )


def _end(entries: Sequence[Entry]) -> float:
    return entries[-1].number + 0.5


def _says(entry: Entry) -> str:
    if entry.speedup is not None:
        return f"candidate {entry.number}: {entry.speedup:.3g}x"
    return f"candidate {entry.number}: {entry.failure or 'not judged'}"


def _ancestors(entries: Sequence[Entry], champion: Entry | None) -> set[str]:
    return {e.digest for e in lineage(entries, champion.digest)} if champion else set()
