"""What a run of a paper gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mercer.papers.claim import Claim


@dataclass(frozen=True)
class Result:
    """Claims beside figures, the table they come from and a picture.

    Parameters
    ----------
    claims : tuple of Claim
        Each claim of the card, measured.
    columns : tuple of str
        Headings of the table.
    rows : tuple of tuple
        The table: numbers and strings.
    draw : callable, optional
        Draws the picture on the ``matplotlib.figure.Figure`` that it is given.
    note : str
        What a reader must know of the data and of what differs from the publication.
    slug, scale, machine : str
        Filled in by :func:`mercer.papers.run`.
    seed : int
        Likewise.
    seconds : float
        Likewise.
    files : tuple of str
        What was written.
    """

    claims: tuple[Claim, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    draw: Callable[[Any], None] | None = None
    note: str = ""
    slug: str = ""
    scale: str = ""
    machine: str = ""
    seed: int = 0
    seconds: float = 0.0
    files: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All but the picture, for JSON; whether a claim holds is written as computed."""
        return {
            "slug": self.slug,
            "scale": self.scale,
            "seed": self.seed,
            "seconds": round(self.seconds, 2),
            "machine": self.machine,
            "note": self.note,
            "claims": [
                {
                    "text": claim.text,
                    "paper": claim.paper,
                    "measured": claim.measured,
                    "unit": claim.unit,
                    "holds_if": str(claim.bounds),
                    "holds": claim.holds,
                    "reason": claim.reason,
                }
                for claim in self.claims
            ],
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
        }

    def __str__(self) -> str:
        verdicts = [
            (
                "holds" if claim.holds else "does not hold",
                _cell(claim.paper),
                f"{_cell(claim.measured)} {claim.unit}".rstrip(),
                str(claim.bounds),
                claim.text + (f" {claim.reason}" if claim.reason else ""),
            )
            for claim in self.claims
        ]
        parts = [
            f"{self.slug}, scale {self.scale}, {self.seconds:.1f} s on {self.machine}",
            _table(("", "paper", "here", "holds if", "claim"), verdicts),
            _table(self.columns, self.rows),
        ]
        if self.note:
            parts.append(self.note)
        parts.extend(f"written: {file}" for file in self.files)
        return "\n\n".join(parts)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns side by side, two spaces between."""
    text = [[_cell(value) for value in row] for row in (columns, *rows)]
    widths = [max(len(row[k]) for row in text) for k in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in text
    )
