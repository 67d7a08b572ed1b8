"""A database of searches as one page that needs nothing else."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import jinja2

from mercer.lab.report.circumstances import Circumstances, recall
from mercer.lab.report.page import PAGE
from mercer.lab.report.pictures import ancestry, anchor, progress, roofline
from mercer.lab.report.text import visible
from mercer.lab.search import Database, Entry, Run, dialogue, failures, runs
from mercer.lab.search.database import VERSION, named
from mercer.lab.search.policy import ranked
from mercer.learn.atomic import write_file

LEADERS = 20
UNKNOWN = (
    "It is not known what these times were measured on; a search started by the command line notes "
    "the device and the problem's work."
)


def write_report(database: str | Path, out: str | Path) -> Path:
    """Write the report of a file of searches; the old page or the new one, never half of it.

    Parameters
    ----------
    database : str or Path
        What `mercer.lab.search.Database` wrote; a search may be running on it.
    out : str or Path
        The HTML file.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is none of searches.
    """
    path = Path(database)
    check_searches(path)
    with Database(path) as opened, named(path):
        page = render(opened, title=path.stem)
    out = Path(out)
    write_file(out, page.encode())
    return out


def check_searches(path: Path) -> None:
    """Refuse, without touching it, a file that is no database of searches."""
    if not path.exists():
        raise FileNotFoundError(f"there is no database {path}")
    if not path.is_file():
        kind = "a directory" if path.is_dir() else "no regular file"
        raise ValueError(f"{path} is {kind}, not a database of searches")
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
            version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise ValueError(f"{path} is not a database of searches: {error}") from None
    if not {"runs", "candidates"} <= tables:
        raise ValueError(f"{path} is not a database of searches: it has no runs")
    if version != VERSION:
        raise ValueError(f"{path} has version {version} of the tables; this is {VERSION}")


def render(database: Database, *, title: str = "Kernels") -> str:
    """Return the page.

    Nothing of what candidates and models wrote is markup: all of it is escaped, characters that
    cannot be seen are spelt out, and the page's policy forbids scripts and requests.

    Parameters
    ----------
    database : Database
    title : str, optional
    """
    # Autoescape: programs, prompts and reasons are whatever somebody wrote.
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    return environment.from_string(PAGE).render(
        title=title,
        runs=[_run(database, run) for run in runs(database)],
    )


def _run(database: Database, run: Run) -> dict[str, Any]:
    entries = database.entries(run.number)
    known = recall(database, run.number)
    best = ranked(entries)
    rows = _rows(database, run.number, entries, known)
    by_number = {row["number"]: row for row in rows}
    settings = ", ".join(f"{k} {v}" for k, v in json.loads(run.settings).items())
    return {
        **run.json(),
        "settings": settings,
        "stopped": f"Ended: {run.stopped}." if run.stopped else "Not ended.",
        "seconds": f"{run.seconds:.0f}",
        "failed": sum(bool(e.failure) for e in entries),
        "best": by_number[best[0].number] if best else None,
        "leaders": [by_number[e.number] for e in best[:LEADERS]],
        "entries": rows,
        "baseline": f"the {known.baseline} reference" if known else "the baseline",
        "device": known.device if known else "",
        "size": known.size if known else "",
        "floor": _number(1e6 * known.floor) if known else "",
        "progress": progress(run.number, entries),
        "ancestry": ancestry(run.number, entries),
        "roofline": roofline(run.number, entries, known) if known else "",
        "no_roofline": "No kernel has been timed." if known else UNKNOWN,
        "failures": _failures(run.number, entries),
    }


def _rows(
    database: Database, run: int, entries: Sequence[Entry], known: Circumstances | None
) -> list[dict[str, Any]]:
    number = {e.digest: e.number for e in entries}
    children: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        for parent in entry.parents:
            children[parent].append(entry.number)

    def link(to: int) -> dict[str, Any]:
        return {"number": to, "anchor": anchor(run, to)}

    return [
        {
            **link(e.number),
            "digest": e.digest,
            "source": e.source,
            "language": e.language,
            "schedule": e.schedule,
            "island": e.island,
            "failure": e.failure,
            "stage": e.stage,
            "reason": e.reason or e.error,
            "speedup": _number(e.speedup),
            "microseconds": _number(1e6 * e.seconds if e.seconds else None),
            "baseline": _number(1e6 * e.baseline_seconds if e.baseline_seconds else None),
            "roofline": f"{100 * known.floor / e.seconds:.0f}" if known and e.seconds else "",
            "parents": [link(number[p]) for p in e.parents],
            "children": [link(c) for c in children[e.digest]],
            "dialogue": dialogue(database, run, e.number),
        }
        for e in entries
    ]


def _failures(run: int, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    counts = failures(entries)
    shown = []
    for kind, count in counts.items():
        first = next(e for e in entries if e.failure == kind)
        shown.append(
            {
                "kind": kind,
                "count": count,
                "share": f"{100 * count / max(counts.values()):.1f}",
                "number": first.number,
                "anchor": anchor(run, first.number),
                "reason": first.reason or first.error,
            }
        )
    return shown


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
