"""What a race found, contender by contender."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mercer.lab.timing.ratio import Ratio


@dataclass(frozen=True)
class Entry:
    """One contender of a race.

    Parameters
    ----------
    name, language : str
    right : bool
        Whether it finished and what came out under the clock was right.
    reason : str
        Why not; empty if it is right.
    seconds : float
        Of one call, the median over rounds; NaN if it did not finish.
    rounds : tuple of float
        Seconds of one call, round by round.
    speedups : mapping of str to Ratio
        Against each baseline, from paired rounds; empty if it is not right.
    roofline : float
        Seconds of the roofline's floor over `seconds`: 1 is as fast as the device allows.
    """

    name: str
    language: str
    right: bool
    reason: str
    seconds: float
    rounds: tuple[float, ...] = ()
    speedups: Mapping[str, Ratio] = field(default_factory=dict)
    roofline: float = float("nan")


@dataclass(frozen=True)
class Race:
    """Baselines and candidates that ran in the same rounds.

    Parameters
    ----------
    problem, size, device : str
    floor : float
        Seconds below which the device's roofline allows no program that moves every input and
        output once.
    entries : tuple of Entry
        Baselines first.
    """

    problem: str
    size: str
    device: str
    floor: float
    entries: tuple[Entry, ...]

    def __getitem__(self, name: str) -> Entry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        names = ", ".join(entry.name for entry in self.entries)
        raise KeyError(f"no contender is called {name!r}; there are {names}")

    def json(self) -> dict[str, Any]:
        """Return numbers and strings alone, for a file or a pipe."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.problem} ({self.size}) on {self.device}, floor {1e6 * self.floor:.1f} us"]
        for e in self.entries:
            if not e.right:
                lines.append(f"  {e.name:<24} {e.reason}")
                continue
            against = ", ".join(
                f"{r.median:.2f}x {name} [{r.low:.2f}, {r.high:.2f}]"
                for name, r in e.speedups.items()
                if name != e.name
            )
            lines.append(
                f"  {e.name:<24} {1e6 * e.seconds:10.1f} us  {100 * e.roofline:3.0f} % of the "
                f"roofline  {against}"
            )
        return "\n".join(lines)
