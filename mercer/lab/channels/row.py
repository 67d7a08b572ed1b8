"""What one operator's candidate scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

RAN = ("right", "interface", "conduct", "value")  # stages behind a call that did not fail


@dataclass(frozen=True)
class CallResult:
    """One call of an operator.

    Parameters
    ----------
    call : str
    stage : str
        Where it failed, as in `mercer.lab.verify.Verdict`; "missing" without a candidate.
    reason : str
    """

    call: str
    stage: str
    reason: str = ""

    @property
    def ran(self) -> bool:
        """Whether the call returned."""
        return self.stage in RAN

    @property
    def right(self) -> bool:
        """Whether what it returned is right in every trial."""
        return self.stage == "right"


@dataclass(frozen=True)
class Efficiency:
    """Shares of what the device can do that one call reached.

    Parameters
    ----------
    bandwidth : float
        Compulsory bytes per second, over those of a large copy.
    peak : float
        Operations per second, over those of a large matrix product.
    """

    bandwidth: float
    peak: float

    @property
    def roofline(self) -> float:
        """The larger share: 1 is as fast as the device allows."""
        return max(self.bandwidth, self.peak)


@dataclass(frozen=True)
class OperatorRow:
    """One operator and its candidate.

    Parameters
    ----------
    operator : str
    language : str
        Empty if there is no candidate.
    calls : tuple of CallResult
    seconds : float, optional
        Of the first call at the size that is timed.
    speedups : mapping of str to float
        Over each baseline.
    efficiency : Efficiency, optional
    note : str
        Why it does not count, or was not timed, though every call is right.
    lost : bool
        Whether what came out under the clock was wrong.
    """

    operator: str
    language: str
    calls: tuple[CallResult, ...]
    seconds: float | None = None
    speedups: Mapping[str, float] = field(default_factory=dict)
    efficiency: Efficiency | None = None
    note: str = ""
    lost: bool = False

    @property
    def called(self) -> bool:
        """Whether every call ran: call accuracy counts these."""
        return all(call.ran for call in self.calls)

    @property
    def right(self) -> bool:
        """Whether every call is right, under the clock too: execution accuracy counts these."""
        return all(call.right for call in self.calls) and not self.lost

    @property
    def failure(self) -> str:
        """The first failure in one sentence; empty if there is none."""
        for call in self.calls:
            if not call.right:
                return f"{call.stage}: {call.reason}"
        return f"race: {self.note}" if self.lost else ""
