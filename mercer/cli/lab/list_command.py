"""``mercer lab list``: the problems."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from mercer.cli.bad_input import BadInput
from mercer.cli.lab.live import Answer, counted
from mercer.lab.problems import catalogue


def list_problems(level: int | None, tags: Sequence[str], answer: Answer | None) -> None:
    """Print a line for each problem."""
    found = catalogue(level, tags=tags)
    if not found:
        raise BadInput(f"no problem of level {level} has the tags {', '.join(tags)}")
    if answer is not None:
        rows = [
            {
                "name": p.name,
                "level": p.level,
                "summary": p.summary,
                "tags": sorted(p.tags),
                "sizes": {name: list(size) for name, size in p.sizes.items()},
            }
            for p in found.values()
        ]
        answer(rows)
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        for p in found.values():
            print(f"{p.level}  {p.name:<32} {p.summary}")
        return
    table = Table("level", "problem", "what is computed", "tags", box=None, pad_edge=False)
    for p in found.values():
        table.add_row(str(p.level), p.name, p.summary, ", ".join(sorted(p.tags)))
    console.print(table)
    console.print(counted(len(found), "problem"))
