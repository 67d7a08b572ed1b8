"""A claim of a publication beside what is measured here."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """The values with which a claim holds: ``low <= measured <= high``.

    Parameters
    ----------
    low, high : float
        Infinite for no bound on that side.

    Examples
    --------
    >>> Bounds(low=2.0).hold(1.9), Bounds(low=2.0).hold(float("nan")), str(Bounds(low=2.0))
    (False, False, 'at least 2')
    """

    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.low <= self.high or not (math.isfinite(self.low) or math.isfinite(self.high)):
            raise ValueError(f"bounds must leave some values out and some in, got {self}")

    def hold(self, value: float) -> bool:
        """Whether ``value`` is inside; NaN never is."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"at least {self.low:g}"
        if self.low == -math.inf:
            return f"at most {self.high:g}"
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Claim:
    """One claim; whether it holds follows from the measured value and the bounds.

    Use :meth:`at_least`, :meth:`at_most` or :meth:`between`.

    Parameters
    ----------
    text : str
        The claim, in one sentence.
    paper : float or str
        The publication's figure, or what it says where it gives none.
    measured : float
        The figure measured here.
    bounds : Bounds
        With which values the claim holds.
    unit : str
        Of both figures; empty for a ratio.
    if_not : str
        Why the claim would not hold here; shown only when it does not.

    Examples
    --------
    >>> claim = Claim.at_least("Twice as fast.", paper=3, measured=1.5, bound=2, if_not="Small.")
    >>> claim.holds, claim.reason
    (False, 'Small.')
    """

    text: str
    paper: float | str
    measured: float
    bounds: Bounds
    unit: str
    if_not: str

    @classmethod
    def at_least(
        cls,
        text: str,
        *,
        paper: float | str,
        measured: float,
        bound: float,
        unit: str = "",
        if_not: str,
    ) -> Claim:
        """A claim that holds from ``bound`` upwards."""
        return cls(text, paper, float(measured), Bounds(low=bound), unit, if_not)

    @classmethod
    def at_most(
        cls,
        text: str,
        *,
        paper: float | str,
        measured: float,
        bound: float,
        unit: str = "",
        if_not: str,
    ) -> Claim:
        """A claim that holds up to ``bound``."""
        return cls(text, paper, float(measured), Bounds(high=bound), unit, if_not)

    @classmethod
    def between(
        cls,
        text: str,
        *,
        paper: float | str,
        measured: float,
        low: float,
        high: float,
        unit: str = "",
        if_not: str,
    ) -> Claim:
        """A claim that holds from ``low`` to ``high``."""
        return cls(text, paper, float(measured), Bounds(low, high), unit, if_not)

    @property
    def holds(self) -> bool:
        """Whether the measured figure is within the bounds."""
        return self.bounds.hold(self.measured)

    @property
    def reason(self) -> str:
        """Why the claim does not hold; empty if it does."""
        return "" if self.holds else self.if_not
