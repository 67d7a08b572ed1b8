"""``mercer lab race``: candidates beside the reference, under one clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mercer.cli.bad_input import BadInput
from mercer.cli.complain import complain
from mercer.cli.lab.live import Answer, waiting
from mercer.cli.lab.place import device_of, open_pool
from mercer.cli.lab.subject import problem_of, read_candidate
from mercer.lab.candidate import Candidate
from mercer.lab.problem import Problem
from mercer.lab.timing.baseline import MODES
from mercer.lab.timing.race import race
from mercer.lab.timing.result import Race


def race_candidates(
    files: Sequence[Path],
    problem: str | None,
    reference: Path | None,
    size: str | None,
    baselines: str,
    precision: float,
    device: str,
    isolation: str,
    answer: Answer | None,
) -> int:
    """Race the files of each problem, print the times, and return 0 if a candidate finished."""
    against = [name.strip() for name in baselines.split(",") if name.strip()]
    for name in against:
        if name not in MODES:
            raise BadInput(f"--baselines must be of {', '.join(MODES)}, got {name!r}")
    if not against:
        raise BadInput("--baselines must name at least one baseline, such as eager")
    if not 0 < precision < 1:
        raise BadInput(f"--precision must lie between 0 and 1, got {precision}")
    fields: dict[str, tuple[Problem, list[Candidate]]] = {}
    for file in files:
        candidate = read_candidate(file)
        of = problem_of(candidate, problem, reference)
        fields.setdefault(of.name, (of, []))[1].append(candidate)
        if size is not None:
            of.size(size)
    device = device_of(device)
    races: list[Race] = []
    with open_pool(device, isolation) as pool:
        for of, candidates in fields.values():
            with waiting(f"racing {of.name}") as show:
                try:
                    found = race(
                        of,
                        candidates,
                        pool=pool,
                        size=size,
                        baselines=against,
                        precision=precision,
                        progress=show,
                    )
                except RuntimeError as error:
                    raise BadInput(str(error)) from None
                except KeyboardInterrupt as stop:
                    if str(stop):
                        complain(str(stop))
                    if answer is not None and races:
                        answer([_finite(found.json()) for found in races])
                    raise
            races.append(found)
            if answer is None:
                _print(found, against)
    if answer is not None:
        answer([_finite(found.json()) for found in races])
    finished = [e for r in races for e in r.entries if e.right and e.name not in against]
    return 0 if finished else 1


def _print(found: Race, baselines: Sequence[str]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.print(str(found), markup=False)
        return
    table = Table("contender", "us a call", "% of the roofline", box=None, pad_edge=False)
    for name in baselines:
        table.add_column(f"over {name}", justify="right")
    table.add_column("")
    for entry in found.entries:
        ratios = [entry.speedups.get(name) for name in baselines]
        table.add_row(
            entry.name,
            f"{1e6 * entry.seconds:.1f}" if entry.right else "",
            f"{100 * entry.roofline:.0f}" if entry.right else "",
            *(f"{r.median:.2f}x [{r.low:.2f}, {r.high:.2f}]" if r else "" for r in ratios),
            entry.reason,
        )
    console.print(f"{found.problem} ({found.size}) on {found.device}", markup=False)
    console.print(table, markup=False)


def _finite(value: Any) -> Any:
    """Return what JSON carries: null for what is not a number."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
