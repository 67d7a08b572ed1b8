"""``mercer papers``: what was claimed, and what is measured here."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from rich.console import Console

from mercer.cli.bad_input import BadInput
from mercer.cli.table import nearest

SCALES = ("quick", "full")


def list_papers() -> None:
    """Print a line for each system."""
    from mercer.papers import registry

    console = Console(highlight=False, soft_wrap=True)
    for slug, card in sorted(registry().items()):
        console.print(f"{slug:<24} {card.title}", markup=False)


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
    from mercer.papers import registry

    cards = registry()
    if slug not in cards:
        hint = nearest(slug, cards).replace("the columns are", "there are")
        raise BadInput(f"no paper is called {slug!r}, {hint}")
    return cards[slug]
