"""The reward of an outcome: the rule first, then what running it showed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mercer.lab.learning.outcome import Outcome


@dataclass(frozen=True)
class Reward:
    r"""A weighted sum over the stages that a candidate passed.

    .. math:: r = r_0 + c_1 [\text{compiled}] + [\text{right}]
              \bigl(c_2 + c_3 \min(\max(s, l), u) + c_4 \kappa\bigr)

    with the speed-up s, clipped to [l, u], and the coverage :math:`\kappa`. What the rule refused,
    or was no program, gets :math:`r_0` alone, without having been run.

    Parameters
    ----------
    refused : float, optional
        :math:`r_0`.
    compiled, right, speedup : float, optional
        :math:`c_1, c_2, c_3`. ``Reward(speedup=0)`` is a reward for being right.
    coverage : float, optional
        :math:`c_4`, of the profiling-based reward; with it, right candidates must be profiled.
    clip : tuple of two floats, optional
        l and u: no race won by a lucky clock may count for everything.

    Examples
    --------
    >>> reward = Reward(coverage=0.5)
    >>> reward(Outcome("right", True, True, speedup=7.0, coverage=0.5))
    4.25
    >>> reward(Outcome("check", compiled=True)), reward(Outcome("rule"))
    (0.0, 0.0)

    References
    ----------
    Dr. Kernel: Reinforcement Learning Done Right for Triton Kernel Generations,
    https://arxiv.org/abs/2602.05885
    AutoTriton: Automatic Triton Programming with Reinforcement Learning in LLMs,
    https://arxiv.org/abs/2507.05687
    """

    refused: float = 0.0
    compiled: float = 0.0
    right: float = 1.0
    speedup: float = 1.0
    coverage: float = 0.0
    clip: tuple[float, float] = (0.0, 3.0)

    def __post_init__(self) -> None:
        if not self.clip[0] <= self.clip[1]:
            raise ValueError(f"clip must be low and high, got {self.clip}")

    def __call__(self, outcome: Outcome) -> float:
        """Return the reward."""
        total = self.refused + self.compiled * outcome.compiled
        if not outcome.right:
            return total
        low, high = self.clip
        total += self.right + self.speedup * min(max(outcome.speedup, low), high)
        if self.coverage:
            if math.isnan(outcome.coverage):
                raise ValueError(
                    "a reward for coverage needs profiles; set profile of the examination"
                )
            total += self.coverage * outcome.coverage
        return total
