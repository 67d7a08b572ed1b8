"""The built-in proposer against torch.compile on thirty memory-bound problems.

    python benchmarks/lab_search.py [--seconds 220] [--jobs 16] [--out FOLDER] [--device cuda]

The thirty are drawn at random (seed 0) from all problems with the tag "memory-bound", whatever the
templates make of them. Every search starts from the naive program, in a process of its own; while
one of them times, all others stand still, so the GPU and the cores are its own. In the end each
best candidate is checked and timed anew, at all sizes and on other inputs. With --problems only
those are searched, and the rest of the thirty count as not reached.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import psutil
from quiet import Clock, go_on, watch

from mercer.lab import Candidate
from mercer.lab.evaluator import Evaluator
from mercer.lab.models import Proposer
from mercer.lab.problems import catalogue, find
from mercer.lab.sandbox import Limits, Pool
from mercer.lab.search import Budget, Database, Islands, Result, evolve
from mercer.lab.timing import Machine, measure_machine

LIMITS = Limits(memory=24 << 30, cpu_seconds=600, processes=512, scratch=2 << 30)
TIMEOUT = 600.0  # seconds for one command: a process may stand still in the middle of it
Row = dict[str, Any]


def thirty() -> list[str]:
    return sorted(random.Random(0).sample(sorted(catalogue(tags=["memory-bound"])), 30))


class Search:
    """One problem's search, in a process of its own."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        gpu = options.device == "cuda"
        self.name, self.seconds = name, options.seconds
        self.out = pathlib.Path(options.out)
        self.size = options.size or ("race" if gpu else "desk")
        self.language = "triton" if gpu else "cpp"
        self.clock = Clock(self.out / "clock", options.root or os.getpid())
        self.pool = Pool(device=options.device, limits=LIMITS)
        self.machine = self._machine(self.out / "machine.json", options.device)
        self.row: Row = {"problem": name}

    def _machine(self, path: pathlib.Path, device: str) -> Machine:
        with self.clock:  # the first to come measures for all
            if not path.exists():
                path.write_text(json.dumps(asdict(measure_machine(device))))
        return Machine(**json.loads(path.read_text()))

    def evaluator(self, **more: Any) -> Evaluator:
        return Evaluator(
            find(self.name), size=self.size, trusted=True, pool=self.pool, machine=self.machine,
            clock=self.clock, timeout=TIMEOUT, **more,
        )  # fmt: skip

    def run(self) -> None:
        with self.pool:
            self._keep(self._search)
            if "source" in self.row:
                self._keep(self._confirm)

    def _keep(self, step: Any) -> None:
        """Take a step and write down what has come to be known."""
        try:
            self.row |= step()
        except Exception as error:
            self.row["refused"] = f"{type(error).__name__}: {str(error)[:300]}"
        (self.out / f"row-{self.name}.json").write_text(json.dumps(self.row, indent=1))

    def _search(self) -> Row:
        quick = {"sizes": ("odd",), "layouts": ("contiguous",)}
        database = Database(self.out / f"{self.name}.sqlite")
        begin = time.monotonic()
        with contextlib.closing(database), self.evaluator(**quick) as evaluate:
            result = evolve(
                find(self.name),
                proposer=Proposer(find(self.name), size=self.size, language=self.language),
                evaluate=evaluate,
                policy=Islands(),
                budget=Budget(seconds=self.seconds),
                database=database,
                language=self.language,
            )
        return {"search seconds": time.monotonic() - begin, **_found(result)}

    def _confirm(self) -> Row:
        """Check and time the best candidate anew, at all sizes and layouts and on other inputs."""
        best = Candidate(self.row["source"], self.row["language"], "best")
        with self.evaluator(seed=1, rounds=15, block=0.05, seeds=2) as evaluate:
            found = evaluate(best)
        return {
            "final": found.failure or found.baseline_seconds / found.seconds,
            "seconds": found.seconds,
            "baseline_seconds": found.baseline_seconds,
            "why": found.error or found.verdict.reason,
            "floor": evaluate.floor,
        }


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


def everything(options: argparse.Namespace) -> None:
    """Search all problems side by side, and write the record."""
    names = options.problems.split(",") if options.problems else thirty()
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    root = options.root or os.getpid()
    threading.Thread(target=watch, args=(out / "clock", root), daemon=True).start()

    def alone(name: str) -> None:
        command = [sys.executable, __file__, *sys.argv[1:], "--alone", name, "--root", str(root)]
        with (out / f"log-{name}.txt").open("w") as log:
            code = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
        print(f"{time.monotonic() - begin:.0f} s {name}: {code or 'done'}", flush=True)
        if code:  # it may have died with the clock in its hands
            go_on(psutil.Process().children(recursive=True))

    with ThreadPoolExecutor(options.jobs) as threads:
        list(threads.map(alone, names))
    rows = [json.loads(p.read_text()) for p in sorted(out.glob("row-*.json"))]
    done = {row["problem"] for row in rows}
    rows += [{"problem": n, "refused": "not searched"} for n in thirty() if n not in done]
    record = {
        "machine": json.loads((out / "machine.json").read_text()),
        "seconds": options.seconds,
        "with final races": time.monotonic() - begin,
        "cores": os.cpu_count(),
        "rows": rows,
    }
    (out / "lab_search.json").write_text(json.dumps(record, indent=1) + "\n")
    _print(rows)


def _print(rows: list[Row]) -> None:
    solved = [r for r in rows if isinstance(r.get("final"), float)]
    for row in sorted(solved, key=lambda r: -r["final"]) + [r for r in rows if r not in solved]:
        outcome = row.get("final", row.get("refused"))
        counts = f"{row.get('candidates')} candidates, {row.get('failed')} failed"
        print(f"{row['problem']:28} {outcome} search {row.get('search')} {counts}")
    fast = sum(r["final"] >= 1.5 for r in solved)
    print(f"{fast} of {len(rows)} at 1.5x or more")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=220.0, help="of each search")
    parser.add_argument("--problems", default="")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--size", default="")
    parser.add_argument("--out", default="lab_search")
    parser.add_argument("--alone", default="", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=int, default=0, help="whose descendants stand still")
    options = parser.parse_args()
    if options.alone:
        Search(options.alone, options).run()
    else:
        everything(options)


if __name__ == "__main__":
    main()
