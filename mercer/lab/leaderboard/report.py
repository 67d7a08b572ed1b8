"""What a set of candidates came to, problem by problem and level by level."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mercer.lab.timing.fast_p import fast_p


@dataclass(frozen=True)
class SuiteRow:
    """One problem and its candidate.

    Parameters
    ----------
    problem : str
    level : int
    candidate : str
        Its name; empty if there is none for this problem.
    right : bool
        Whether it passed the check and, if it was timed, what came out under the clock was right.
    stage : str
        Where it failed, as in `mercer.lab.verify.Verdict`; "race" or "missing" otherwise.
    reason : str
    margin : float
        Largest error over what is allowed.
    seconds : float, optional
        Of one call.
    speedups : mapping of str to float
        Over each baseline.
    roofline : float, optional
        Share of the device's roofline.
    note : str
        Why it was not timed, though it is right.
    """

    problem: str
    level: int
    candidate: str = ""
    right: bool = False
    stage: str = "missing"
    reason: str = "there is no candidate"
    margin: float = 0.0
    seconds: float | None = None
    speedups: Mapping[str, float] = field(default_factory=dict)
    roofline: float | None = None
    note: str = ""


@dataclass(frozen=True)
class SuiteReport:
    """All rows, and the shares that they come to.

    Parameters
    ----------
    rows : tuple of SuiteRow
    baselines : tuple of str
    ps : tuple of float
        Speed-ups that the tables are made for; `fast_p` takes any.
    device : str
    """

    rows: tuple[SuiteRow, ...]
    baselines: tuple[str, ...]
    ps: tuple[float, ...]
    device: str

    @property
    def levels(self) -> list[int]:
        """Levels that there are problems of."""
        return sorted({row.level for row in self.rows})

    def fast_p(self, p: float, *, baseline: str | None = None, level: int | None = None) -> float:
        """Return the share of problems solved rightly at a speed-up above `p`.

        Parameters
        ----------
        p : float, at least 0
        baseline : str, optional
            Default: the first one. Where it failed itself, nothing is faster than it.
        level : int, optional
            Default: all problems.
        """
        name = baseline if baseline is not None else (*self.baselines, "")[0]
        if p > 0 and name not in self.baselines:
            raise ValueError(f"baseline must be one of {', '.join(self.baselines)}, got {name!r}")
        rows = [row for row in self.rows if level in (None, row.level)]
        right = [row.right and (p == 0 or name in row.speedups) for row in rows]
        return fast_p(right, [row.speedups.get(name, 1.0) for row in rows], p)

    def table(self) -> list[dict[str, Any]]:
        """Return `fast_p` for each baseline, level (None: all) and p."""
        return [
            {
                "baseline": b,
                "level": level,
                "p": p,
                "share": self.fast_p(p, baseline=b, level=level),
            }
            for b in self.baselines or (None,)
            for level in (*self.levels, None)
            for p in self.ps
            if p == 0 or b is not None
        ]

    def json(self) -> dict[str, Any]:
        """Return numbers and strings alone."""
        return {
            "device": self.device,
            "baselines": list(self.baselines),
            "rows": [dataclasses.asdict(row) for row in self.rows],
            "fast_p": self.table(),
        }

    def __str__(self) -> str:
        lines = [f"{len(self.rows)} problems on {self.device}"]
        lines += [f"  {row.level}  {row.problem:<32} {_outcome(row)}" for row in self.rows]
        table = self.table()
        for b in self.baselines or (None,):
            lines.append(
                f"share right and more than p times as fast as {b}" if b else "share right"
            )
            lines.append(
                "  level " + "".join(f"{f'p = {p:g}':>10}" for p in self.ps if b or p == 0)
            )
            for level in (*self.levels, None):
                shares = [t["share"] for t in table if t["baseline"] == b and t["level"] == level]
                name = "all" if level is None else str(level)
                lines.append(f"  {name:<6}" + "".join(f"{100 * s:8.1f} %" for s in shares))
        return "\n".join(lines)


def _outcome(row: SuiteRow) -> str:
    if not row.right:
        return f"{row.stage}: {row.reason}"
    speedups = ", ".join(f"{s:.2f}x {b}" for b, s in row.speedups.items())
    seconds = "" if row.seconds is None else f", {1e6 * row.seconds:.1f} us"
    return (
        f"right{seconds}{', ' + speedups if speedups else ''}{', ' + row.note if row.note else ''}"
    )
