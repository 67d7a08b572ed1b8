"""What became of one candidate."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

STAGES = ("written", "rule", "check", "race", "right", "lost")
BLAMES = ("", "candidate", "device")


@dataclass(frozen=True)
class Outcome:
    """How far a candidate came, and how fast it is.

    Parameters
    ----------
    stage : {"written", "rule", "check", "race", "right", "lost"}
        Where it ended: no program came of what the policy said; refused by the rule, and never
        run; wrong; right, but not under the clock; right and timed; nothing could be found out.
    compiled, right : bool
    speedup : float
        Seconds of the baseline over its own; NaN if it is not right.
    coverage : float
        The share of the device's time in the candidate's kernels; NaN if not profiled.
    feedback : str
        What its author is told.
    attempts : int
        Workers that were used for it; 0 if it was not run.
    blame : {"", "candidate", "device"}
        Who is at fault where workers were lost.
    detail : dict
        The verdict, for JSON.

    Examples
    --------
    >>> Outcome("right", True, True, 1.5).executed, Outcome("rule").executed
    (True, False)
    """

    stage: str
    compiled: bool = False
    right: bool = False
    speedup: float = math.nan
    coverage: float = math.nan
    feedback: str = ""
    attempts: int = 1
    blame: str = ""
    detail: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f"stage must be one of {', '.join(STAGES)}, got {self.stage!r}")
        if self.blame not in BLAMES:
            raise ValueError(f"blame must be one of {BLAMES}, got {self.blame!r}")
        if self.right and not (self.speedup > 0 and math.isfinite(self.speedup)):
            raise ValueError(f"speedup of a right candidate must be positive, got {self.speedup}")

    @property
    def executed(self) -> bool:
        """Whether it was run at all."""
        return self.stage not in ("written", "rule")

    def json(self) -> dict[str, Any]:
        """Return what JSON carries; NaN is null."""
        record = dataclasses.asdict(self)
        for name in ("speedup", "coverage"):
            record[name] = None if math.isnan(record[name]) else record[name]
        return record
