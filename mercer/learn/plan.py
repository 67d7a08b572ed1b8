"""Which method a table of a given size gets, and why."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from mercer import checks

METHODS = ("auto", "exact", "cg", "askotch", "nystrom", "eigenpro")
EXACT_ROWS = 4000
MOST_CENTERS = 5000


@dataclass(frozen=True)
class Plan:
    """A method, its number of centres (None where the rows are the centres), and why."""

    method: str
    centers: int | None
    why: str

    def __str__(self) -> str:
        return f"{self.method}: {self.why}"


def plan(
    rows: int,
    columns: int,
    *,
    method: str = "auto",
    centers: int | None = None,
    memory_budget: float | None = None,
) -> Plan:
    """Choose a method; one that is named is used or refused.

    Parameters
    ----------
    rows, columns : int
        Size of the table.
    method : {"auto", "exact", "cg", "askotch", "nystrom", "eigenpro"}
        What the caller asks for.
    centers : int, optional
        Number of centres for ``nystrom`` and ``eigenpro``; default ``8 sqrt(rows)``, between 1,000
        and 5,000, and at most ``rows``.
    memory_budget : float, optional
        Bytes; default half of what the machine has free.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        If the method does not exist or cannot be used.

    Examples
    --------
    >>> print(plan(500, 10))
    exact: 500 rows are at most 4,000, Cholesky of the whole matrix
    >>> plan(300_000, 25).centers
    4381
    """
    checks.count("rows", rows)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if centers is not None:
        checks.count("centers", centers)
        if method in ("exact", "cg", "askotch"):
            raise ValueError(
                f"method={method!r} uses every row as a centre, got centers={centers}; "
                "leave centers=None or use method='nystrom'"
            )
    asked = "asked for" if method != "auto" else ""
    if method == "auto":
        method = "exact" if rows <= EXACT_ROWS and centers is None else "nystrom"
    if method == "exact":
        _check_exact(rows, memory_budget)
        why = asked or f"{rows:,} rows are at most {EXACT_ROWS:,}"
        return Plan(method, None, f"{why}, Cholesky of the whole matrix")
    if method == "cg":
        what = (
            "conjugate gradients on the full problem, preconditioned by randomly pivoted Cholesky"
        )
        return Plan(method, None, f"{asked}, {what}")
    if method == "askotch":
        return Plan(method, None, f"{asked}, accelerated sketch-and-project on the full problem")
    m = centers
    if m is None:
        m = min(MOST_CENTERS, max(1000, int(8 * math.sqrt(rows))))
    m = min(m, rows) if method == "nystrom" else m
    how = (
        "preconditioned conjugate gradients on the normal equations (FALKON)"
        if method == "nystrom"
        else "preconditioned stochastic gradients (EigenPro)"
    )
    why = asked or (
        f"{rows:,} rows are above {EXACT_ROWS:,}" if centers is None else "centers given"
    )
    return Plan(method, m, f"{why}, {m:,} centres for {rows:,} rows, {how}")


def memory(budget: float | None) -> float:
    """The caller's budget in bytes, or half of the memory that is free now."""
    if budget is not None:
        return float(checks.positive("memory_budget", float(budget)))
    try:
        return 0.5 * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not every system says
        return 2e9


def _check_exact(rows: int, budget: float | None) -> None:
    needed, allowed = 4 * 8.0 * rows**2, memory(budget)
    if needed > max(allowed, 1e9):
        raise ValueError(
            f"method='exact' needs {needed / 1e9:.3g} GB for {rows:,} rows and memory_budget is "
            f"{allowed / 1e9:.3g} GB; use method='nystrom' or 'cg'"
        )
