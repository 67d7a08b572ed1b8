"""What a check came to, for a person and for JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from mercer.lab.verify.case import Case
from mercer.lab.verify.compare import Worst

STAGES = ("verifier", "load", "run", "interface", "conduct", "value", "worker", "right")


@dataclass(frozen=True)
class Trial:
    """One call of the candidate.

    Parameters
    ----------
    case : Case
    layout : str
    worst : Worst, optional
        The entry with the largest margin; None if nothing could be compared.
    """

    case: Case
    layout: str
    worst: Worst | None = None

    def __str__(self) -> str:
        layout = f", {self.layout} inputs" if self.layout != "contiguous" else ""
        return f"{self.case}{layout}"

    def json(self) -> dict[str, Any]:
        """Return what JSON carries."""
        case = {**asdict(self.case), "dtype": str(self.case.dtype).removeprefix("torch.")}
        worst = None if self.worst is None else _finite(asdict(self.worst))
        return {"case": case, "layout": self.layout, "worst": worst}


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate is right and, if not, what is wrong where.

    Parameters
    ----------
    right : bool
    stage : {"verifier", "load", "run", "interface", "conduct", "value", "worker", "right"}
        Where it failed: refused by the verifier; its text or constructor fails; a call fails; what
        is returned has the wrong form; inputs changed, memory reused, work left running; wrong
        numbers; the worker died or ran out of a limit. "right": nowhere.
    reason : str
        One sentence; empty if right.
    trials : tuple of Trial
        The calls that were made; the last one is where it failed.
    margin : float
        Largest error over what is allowed.
    hint : str
        What such a failure often comes from; empty if nothing is known.
    trace : str
        The candidate's own traceback, if it raised.
    """

    right: bool
    stage: str
    reason: str
    trials: tuple[Trial, ...] = ()
    margin: float = 0.0
    hint: str = ""
    trace: str = ""

    def __str__(self) -> str:
        if self.right:
            return f"right in {len(self.trials)} trials, at {self.margin:.2g} of what is allowed"
        lines = [f"wrong ({self.stage}): {self.reason}"]
        if self.trials:
            passed = len(self.trials) - 1
            lines.append(f"  at {self.trials[-1]}, after {passed} trials that passed")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        if self.trace:
            lines += ["  its traceback ends:", *_tail(self.trace)]
        return "\n".join(lines)

    def json(self) -> dict[str, Any]:
        """Return what JSON carries; infinity is the largest double."""
        return {
            **_finite({"right": self.right, "stage": self.stage, "reason": self.reason}),
            **_finite({"margin": self.margin, "hint": self.hint, "trace": self.trace}),
            "trials": [trial.json() for trial in self.trials],
        }


def _tail(trace: str, lines: int = 4) -> list[str]:
    return [f"    {line}" for line in trace.rstrip().splitlines()[-lines:]]


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without NaN and infinity, which JSON does not have."""
    return {
        k: (None if math.isnan(v) else math.copysign(1.7976931348623157e308, v))
        if isinstance(v, float) and not math.isfinite(v)
        else v
        for k, v in record.items()
    }
