"""When a stream of p-values becomes an alarm."""

from __future__ import annotations

import math
from typing import NamedTuple

from mercer import checks

RULES = ("each", "ever", "e-detector")


class Verdict(NamedTuple):
    """Whether an alarm sounds, what was compared with what, and the evidence to go on from."""

    sounded: bool
    evidence: float
    level: float


def judge(rule: str, p_value: float, evidence: float, batch: int, false_alarm: float) -> Verdict:
    r"""Judge one more batch.

    Parameters
    ----------
    rule : {"each", "ever", "e-detector"}
        ``each``: alarm where ``p <= false_alarm``, which is then the share of good batches with an
        alarm. ``ever``: ``p <= false_alarm / (j (j + 1))`` for batch ``j``; by the union bound
        ``false_alarm`` is the probability of ever an alarm while all is good. ``e-detector``:
        ``S = (1 + S) e(p) >= 1 / false_alarm`` (Shiryaev and Roberts) with the e-value
        ``e(p) = 1 / (2 sqrt(p))``; while all is good at least ``1 / false_alarm`` batches pass in
        the mean before an alarm, and small signs of many batches add up.
    p_value : float
        In ``[0, 1]``; 0 is taken for the least positive number.
    evidence : float
        ``S`` after the batch before; 0 at first. Other rules do not look at it.
    batch : int
        ``j``, from 1 on.
    false_alarm : float
        Between 0 and 1.

    Returns
    -------
    Verdict
        ``S`` and what it must reach; of other rules ``p`` and the level that it must not exceed.

    Raises
    ------
    ValueError
        If there is no such rule, or a number is out of its range.

    Examples
    --------
    >>> judge("ever", 0.004, 0.0, 2, 0.01).sounded
    False
    >>> verdict = judge("e-detector", 1e-4, 1.0, 2, 0.01)
    >>> verdict.sounded, verdict.evidence, verdict.level
    (True, 100.0, 100.0)

    References
    ----------
    J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change
    detection".
    https://arxiv.org/abs/2203.03532
    V. Vovk, R. Wang, "E-values: Calibration, combination, and applications".
    https://arxiv.org/abs/1912.06116
    """
    checks.interval("p_value", p_value, 0, 1)
    checks.count("batch", batch)
    if not 0 < false_alarm < 1:
        raise ValueError(f"false_alarm must be between 0 and 1, got {false_alarm:g}")
    if rule == "each":
        return Verdict(p_value <= false_alarm, p_value, false_alarm)
    if rule == "ever":
        level = false_alarm / (batch * (batch + 1))
        return Verdict(p_value <= level, p_value, level)
    if rule == "e-detector":
        e = 0.5 / math.sqrt(max(p_value, 5e-324))
        evidence = (1 + evidence) * e
        return Verdict(evidence >= 1 / false_alarm, evidence, 1 / false_alarm)
    raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
