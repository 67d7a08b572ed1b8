"""The built-in proposer against torch.compile on thirty memory-bound problems.

    python benchmarks/lab_search.py [--seconds 390] [--out FOLDER] [--device cuda]

The thirty are drawn at random (seed 0) from all problems with the tag "memory-bound", whatever the
templates make of them. Every search starts from the naive program. Searches run in parallel, one
holds the clock at a time; with --part several processes share the problems. In the end each best
candidate is checked and timed anew, on fresh inputs. --merge FOLDER puts the parts together.
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
from typing import Any

from mercer.lab import Candidate
from mercer.lab.evaluator import Evaluator
from mercer.lab.models import Proposer
from mercer.lab.problems import catalogue, find
from mercer.lab.sandbox import Limits, Pool
from mercer.lab.search import Budget, Database, Islands, evolve
from mercer.lab.timing import measure_machine


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
        return
    names = options.problems.split(",") if options.problems else thirty()
    part, parts = map(int, options.part.split("/"))
    names = names[part::parts]
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    language = "triton" if options.device == "cuda" else "cpp"
    size = options.size or ("race" if options.device == "cuda" else "desk")
    begin = time.monotonic()
    clock = Clock(pathlib.Path(tempfile.gettempdir()) / "lab_search.lock")
    limits = Limits(memory=24 << 30, cpu_seconds=600, processes=512, scratch=2 << 30)
    waves = -(-len(names) // options.threads)
    with Pool(device=options.device, limits=limits) as pool:
        machine = measure_machine(options.device)
        print(machine, flush=True)

        def evaluator(name: str, **more: Any) -> Evaluator:
            return Evaluator(find(name), pool=pool, machine=machine, clock=clock, size=size, **more)

        def search(indexed: tuple[int, str]) -> dict[str, Any]:
            index, name = indexed
            row: dict[str, Any] = {"problem": name}
            wave = index // options.threads
            ends = begin + options.seconds * (wave + 1) / waves
            try:
                database = Database(out / f"{name}.sqlite")
                proposer = Proposer(find(name), size=size, language=language)
                quick = {"sizes": ("odd",), "layouts": ("contiguous",)}
                with contextlib.closing(database), evaluator(name, **quick) as evaluate:
                    left = max(5.0, ends - time.monotonic())
                    result = evolve(
                        find(name),
                        proposer=proposer,
                        evaluate=evaluate,
                        policy=Islands(),
                        budget=Budget(seconds=left),
                        database=database,
                        language=language,
                    )
                judged = [e for e in result.entries if e.state == "judged"]
                row |= {"candidates": len(judged), "failed": sum(bool(e.failure) for e in judged)}
                row["failures"] = sorted(
                    {e.failure + ": " + e.reason[:160] for e in judged if e.failure}
                )[:4]
                if result.best is not None:
                    row |= {"search": result.best.speedup, "schedule": result.best.schedule}
                    row["source"] = result.best.source
                    row["language"] = result.best.language
                naive = next((e for e in judged if e.fitness is not None), None)
                row["first"] = None if naive is None else naive.speedup
            except Exception as error:
                row["refused"] = f"{type(error).__name__}: {str(error)[:300]}"
            outcome = row.get("search", row.get("refused"))
            spent = time.monotonic() - begin
            print(
                f"{spent:.0f} s {name}: {outcome} of {row.get('candidates')}, "
                f"{row.get('failed')} failed",
                flush=True,
            )
            return row

        def confirm(row: dict[str, Any]) -> dict[str, Any]:
            if "source" not in row:
                return row
            best = Candidate(row["source"], row["language"], "best")
            try:
                with evaluator(row["problem"], seed=1, rounds=15, seeds=2) as evaluate:
                    found = evaluate(best)
                row["final"] = found.failure or found.baseline_seconds / found.seconds
                row["seconds"], row["baseline_seconds"] = found.seconds, found.baseline_seconds
                row["why"] = found.error or found.verdict.reason
                row["floor"] = evaluate.floor
            except Exception as error:
                row["final"] = f"{type(error).__name__}: {str(error)[:300]}"
            return row

        with ThreadPoolExecutor(options.threads) as threads:
            rows = list(threads.map(search, enumerate(names)))
            searched = time.monotonic() - begin
            (out / "rows.json").write_text(json.dumps(rows, indent=1))
            rows = list(threads.map(confirm, rows))
    record = {
        "machine": machine.__dict__,
        "seconds": searched,
        "with final races": time.monotonic() - begin,
        "cores": os.cpu_count(),
        "rows": rows,
    }
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


if __name__ == "__main__":
    main()
