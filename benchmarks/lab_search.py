"""The built-in proposer against torch.compile on thirty memory-bound problems.

    python benchmarks/lab_search.py [--seconds 390] [--out FOLDER] [--device cuda]

The thirty are drawn at random (seed 0) from all problems with the tag "memory-bound", whatever the
templates make of them. Every search starts from the naive program. Searches run in parallel, one
holds the clock at a time; with --part several processes share the problems. In the end each best
candidate is checked and timed anew, on fresh inputs. --merge puts the parts of a folder together.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import random
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from mercer.lab import Candidate
from mercer.lab.evaluator import Evaluator
from mercer.lab.models import Proposer
from mercer.lab.problems import catalogue, find
from mercer.lab.sandbox import Limits, Pool
from mercer.lab.search import Budget, Database, Islands, Result, evolve
from mercer.lab.timing import Machine, measure_machine

LIMITS = Limits(memory=24 << 30, cpu_seconds=600, processes=512, scratch=2 << 30)
Row = dict[str, Any]


def thirty() -> list[str]:
    return sorted(random.Random(0).sample(sorted(catalogue(tags=["memory-bound"])), 30))


class Clock:
    """Held by one thread of one process at a time."""

    def __init__(self, path: pathlib.Path) -> None:
        self.threads, self.file = threading.Lock(), path.open("w")

    def __enter__(self) -> None:
        self.threads.acquire()
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *error: object) -> None:
        fcntl.flock(self.file, fcntl.LOCK_UN)
        self.threads.release()


@dataclass
class Searches:
    """Searches that share a pool and a clock."""

    pool: Pool
    machine: Machine
    clock: Clock
    out: pathlib.Path
    size: str
    language: str
    begin: float

    def evaluator(self, name: str, **more: Any) -> Evaluator:
        shared = {"pool": self.pool, "machine": self.machine, "clock": self.clock}
        return Evaluator(find(name), size=self.size, trusted=True, **shared, **more)

    def search(self, name: str, ends: float) -> Row:
        """Search from the naive program until a moment, and say what was found."""
        row: Row = {"problem": name}
        try:
            row |= _found(self._evolve(name, max(5.0, ends - time.monotonic())))
        except Exception as error:
            row["refused"] = f"{type(error).__name__}: {str(error)[:300]}"
        outcome = row.get("search", row.get("refused"))
        counts = f"{row.get('candidates')}, {row.get('failed')} failed"
        print(f"{time.monotonic() - self.begin:.0f} s {name}: {outcome} of {counts}", flush=True)
        return row

    def _evolve(self, name: str, seconds: float) -> Result:
        quick = {"sizes": ("odd",), "layouts": ("contiguous",)}
        database = Database(self.out / f"{name}.sqlite")
        with contextlib.closing(database), self.evaluator(name, **quick) as evaluate:
            return evolve(
                find(name),
                proposer=Proposer(find(name), size=self.size, language=self.language),
                evaluate=evaluate,
                policy=Islands(),
                budget=Budget(seconds=seconds),
                database=database,
                language=self.language,
            )

    def confirm(self, row: Row) -> Row:
        """Check and time the best candidate anew, by all sizes and layouts and on other inputs."""
        if "source" not in row:
            return row
        best = Candidate(row["source"], row["language"], "best")
        try:
            with self.evaluator(row["problem"], seed=1, rounds=15, seeds=2) as evaluate:
                found = evaluate(best)
            row["final"] = found.failure or found.baseline_seconds / found.seconds
            row["seconds"], row["baseline_seconds"] = found.seconds, found.baseline_seconds
            row["why"] = found.error or found.verdict.reason
            row["floor"] = evaluate.floor
        except Exception as error:
            row["final"] = f"{type(error).__name__}: {str(error)[:300]}"
        return row


def _found(result: Result) -> Row:
    """What a search has come to, as JSON can say it."""
    judged = [e for e in result.entries if e.state == "judged"]
    reasons = {f"{e.failure}: {e.reason[:160]}" for e in judged if e.failure}
    first = next((e for e in judged if e.fitness is not None), None)
    row: Row = {"candidates": len(judged), "failed": sum(bool(e.failure) for e in judged)}
    row |= {"failures": sorted(reasons)[:4], "first": None if first is None else first.speedup}
    if result.best is not None:
        best = result.best
        row |= {"search": best.speedup, "schedule": best.schedule}
        row |= {"source": best.source, "language": best.language}
    return row


def run(options: argparse.Namespace) -> None:
    """Search all problems of a part, confirm what was found, and write the record."""
    part, parts = map(int, options.part.split("/"))
    names = (options.problems.split(",") if options.problems else thirty())[part::parts]
    gpu = options.device == "cuda"
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    clock = Clock(pathlib.Path(tempfile.gettempdir()) / "lab_search.lock")
    waves = -(-len(names) // options.threads)
    ends = [begin + options.seconds * (k // options.threads + 1) / waves for k in range(len(names))]
    with Pool(device=options.device, limits=LIMITS) as pool:
        with clock:
            machine = measure_machine(options.device)
        print(machine, flush=True)
        size = options.size or ("race" if gpu else "desk")
        language = "triton" if gpu else "cpp"
        searches = Searches(pool, machine, clock, out, size, language, begin)
        with ThreadPoolExecutor(options.threads) as threads:
            rows = list(threads.map(searches.search, names, ends))
            searched = time.monotonic() - begin
            (out / f"rows-{part}.json").write_text(json.dumps(rows, indent=1))
            rows = list(threads.map(searches.confirm, rows))
    record = {"machine": asdict(machine), "seconds": searched, "cores": os.cpu_count()}
    record |= {"with final races": time.monotonic() - begin, "rows": rows}
    (out / f"lab_search-{part}.json").write_text(json.dumps(record, indent=1))


def merge(out: pathlib.Path) -> None:
    """Put the parts together, and print a line a problem."""
    parts = [json.loads(p.read_text()) for p in sorted(out.glob("lab_search-*.json"))]
    rows = [row for part in parts for row in part["rows"]]
    whole = {**parts[0], "seconds": max(p["seconds"] for p in parts), "rows": rows}
    whole["with final races"] = max(p["with final races"] for p in parts)
    (out / "lab_search.json").write_text(json.dumps(whole, indent=1) + "\n")
    solved = [r for r in rows if isinstance(r.get("final"), float)]
    rest = [r for r in rows if r not in solved]
    for row in sorted(solved, key=lambda r: -r["final"]) + rest:
        outcome = row.get("final", row.get("refused"))
        print(f"{row['problem']:28} {outcome} {row.get('search')} {row.get('why', '')}")
        if "search" not in row:
            print(f"    {row.get('failures')}")
    fast = sum(r["final"] >= 1.5 for r in solved)
    print(f"{fast} of {len(rows)} at 1.5x or more; {whole['seconds']:.0f} s of search")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=390.0)
    parser.add_argument("--problems", default="")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--threads", type=int, default=15)
    parser.add_argument("--size", default="")
    parser.add_argument("--part", default="0/1", help="k/n: every n-th problem from the k-th on")
    parser.add_argument("--out", default="lab_search")
    parser.add_argument("--merge", action="store_true")
    options = parser.parse_args()
    if options.merge:
        merge(pathlib.Path(options.out))
    else:
        run(options)


if __name__ == "__main__":
    main()
