"""How far a run came from where it started to what an expert reached."""

from __future__ import annotations

import math


def normalised_score(seconds: float, *, start: float, reference: float) -> float:
    """Return 0 for the starting program, 1 for the reference, by the logarithm of the seconds.

    Parameters
    ----------
    seconds : float
        Of the best right program of the run; infinity if it has none (then the start counts).
    start, reference : float
        Seconds of the program that the run begins with and of the reference, which is faster.

    Returns
    -------
    float
        log(start / seconds) / log(start / reference): above 1 where the reference is beaten. A run
        that only made things slower keeps what it was given, hence 0.

    Examples
    --------
    >>> round(normalised_score(2.0, start=8.0, reference=1.0), 3)
    0.667

    References
    ----------
    RE-Bench: Evaluating frontier AI R&D capabilities of language model agents against human
    experts, https://arxiv.org/abs/2411.15114
    """
    if not 0 < reference < start < math.inf:
        raise ValueError(
            f"the reference must be faster than the start, got {reference} s and {start} s"
        )
    if not seconds > 0:
        raise ValueError(f"seconds must be positive, got {seconds}")
    return max(0.0, math.log(start / min(seconds, start)) / math.log(start / reference))
