"""Tables as text: boxes by rich where it is installed, else columns with two spaces between."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from typing import Any


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, rich: bool | None = None
) -> str:
    """Return a table, numbers to the right.

    Parameters
    ----------
    title : str
    columns : sequence of str
    rows : sequence of sequences
        Floats are written with four digits.
    rich : bool, optional
        Whether to draw boxes; default: if `rich` is installed.

    Examples
    --------
    >>> print(table("Kernels", ["name", "us"], [("add", 1.25), ("softmax", 10)], rich=False))
    Kernels
    name       us
    add      1.25
    softmax    10
    """
    numeric = [
        bool(rows) and all(isinstance(row[k], (int, float)) for row in rows)
        for k in range(len(columns))
    ]
    text = [[_cell(value) for value in row] for row in rows]
    if importlib.util.find_spec("rich") is not None if rich is None else rich:
        return _boxes(title, columns, text, numeric)
    widths = [max(len(row[k]) for row in (columns, *text)) for k in range(len(columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric)
        ).rstrip()
        for row in (columns, *text)
    ]
    return "\n".join([title, *lines])


def _boxes(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]
) -> str:
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", title_style="bold")
    for column, right in zip(columns, numeric):
        drawn.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    console = Console(file=io.StringIO(), width=110, markup=False, highlight=False)
    console.print(drawn)
    return str(console.file.getvalue()).rstrip()  # type: ignore[attr-defined]


def _cell(value: Any) -> str:
    return f"{round(value, 6):.4g}" if isinstance(value, float) else str(value)
