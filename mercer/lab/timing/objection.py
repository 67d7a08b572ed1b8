"""What speaks against a time that was measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from mercer.lab.timing.contender import FAILURES, Contender

IMPOSSIBLE = 0.7  # of the floor: no cache holds a share that would explain it
UNLIKE = 3.0  # between the time of a call in a short run and in a long one


def objection(entrant: Contender, seconds: Sequence[float], floor: float) -> str:
    """Say why a time does not count, or "".

    Parameters
    ----------
    entrant : Contender
    seconds : sequence of float
        Of one call, round by round.
    floor : float
        Seconds below which the device's roofline allows nothing.
    """
    median = statistics.median(seconds)
    if median < IMPOSSIBLE * floor:
        return (
            f"{1e6 * median:.1f} us a call is less than the {1e6 * floor:.1f} us that moving "
            "inputs and outputs takes: it did not compute in the time that was measured"
        )
    try:
        return entrant.verify()
    except FAILURES as error:
        return str(error)


def skipping(
    entrant: Contender, seconds: Sequence[float], pace: tuple[Contender, Sequence[float]]
) -> str:
    """Say that calls are fast only where nobody can look at what they return, or "".

    Parameters
    ----------
    entrant : Contender
    seconds : sequence of float
        Of one call, round by round.
    pace : tuple of Contender and sequence of float
        A trusted one and its seconds: what a run costs beside the calls is measured on it.
    """
    short = entrant.committed
    if entrant.calls <= 2 * short:
        return ""
    median = statistics.median(seconds)
    try:
        beside = max(0.0, pace[0].shortest(short) - short * statistics.median(pace[1]))
        took = entrant.shortest(short)
        if took > UNLIKE * (short * median + beside):
            return (
                f"{short} calls, all of which can be looked at, take {1e6 * took / short:.1f} us "
                f"each, many calls {1e6 * median:.1f} us: it does not do all of them"
            )
        return entrant.verify()  # of the short runs, which had to be done honestly
    except FAILURES as error:
        return str(error)
