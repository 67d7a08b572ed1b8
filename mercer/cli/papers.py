"""``mercer papers``: what was claimed, and what is measured here."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from typing import Any

from rich.console import Console

import mercer
from mercer.cli.bad_input import BadInput
from mercer.cli.table import nearest

SCALES = ("quick", "full")


def list_papers() -> None:
    """Print a line for each system."""
    console = Console(highlight=False, soft_wrap=True)
    known = titles()
    width = max(map(len, known))
    for slug, title in known.items():
        console.print(f"{slug:<{width}}  {title}", markup=False)


def titles() -> dict[str, str]:
    """Every paper's title by its slug, read from the texts: importing them all takes seconds."""
    files = Path(mercer.__path__[0]).glob("papers/*/[!_]*.py")
    cards = [_fields(ast.parse(file.read_text(encoding="utf-8"))) for file in files]
    return dict(sorted((card["slug"], card["title"]) for card in cards))


def _fields(module: ast.Module) -> dict[str, str]:
    """Slug and title of the ``PAPER = Paper(slug=..., title=..., ...)`` in a module."""
    for node in module.body:
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "PAPER"
            and isinstance(node.value, ast.Call)
        ):
            fields = {f.arg: f.value for f in node.value.keywords if f.arg in ("slug", "title")}
            return {str(name): str(ast.literal_eval(value)) for name, value in fields.items()}
    raise ValueError("a file of papers defines no PAPER")


def show_paper(slug: str) -> None:
    """Print one card, field by field."""
    console = Console(highlight=False, soft_wrap=True)
    card = _card(slug)
    fields = dataclasses.asdict(card) if dataclasses.is_dataclass(card) else vars(card)
    for name, value in fields.items():
        if value and not callable(value):
            console.print(f"{name:<12} {value}", markup=False)


def run_paper(slug: str, scale: str, out: Path) -> None:
    """Measure one system's claims, print the table and write the picture under ``out``."""
    if scale not in SCALES:
        raise BadInput(f"--scale must be one of {', '.join(SCALES)}, got {scale!r}")
    _card(slug)
    from mercer import papers

    result = papers.run(slug, scale, out)
    if result is not None:
        Console(highlight=False, soft_wrap=True).print(str(result), markup=False)


def _card(slug: str) -> Any:
    known = titles()
    if slug not in known:
        hint = nearest(slug, known).replace("the columns are", "there are")
        raise BadInput(f"no paper is called {slug!r}, {hint}")
    from mercer.papers.registry import find

    return find(slug).PAPER
