"""Rejection of right but lazy candidates: those whose kernels do little of the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer import checks


@dataclass(frozen=True)
class ProfilingRejection:
    r"""Keep a right turn with probability :math:`\min(1, \max(0, (c - \tau) / s))`.

    c is the share of the device's time that is spent in the candidate's own kernels. What is not
    right is always kept: it is learnt from as before.

    Parameters
    ----------
    threshold : float, 0 to 1
        The share c at or below which a right turn is always rejected.
    width : float, at least 0
        From the threshold to the share from which on all are kept.
    speedup : float, optional
        Turns at least so fast are kept whatever their share.

    Examples
    --------
    >>> ProfilingRejection().probability([0.02, 0.35, 0.9], [True] * 3)
    tensor([0.0000, 0.5000, 1.0000], dtype=torch.float64)

    References
    ----------
    Dr. Kernel: Reinforcement Learning Done Right for Triton Kernel Generations,
    https://arxiv.org/abs/2602.05885
    """

    threshold: float = 0.3
    width: float = 0.1
    speedup: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be between 0 and 1, got {self.threshold}")
        if not self.width >= 0:
            raise ValueError(f"width must be at least 0, got {self.width}")
        if self.speedup is not None:
            checks.positive("speedup", self.speedup)

    def probability(
        self,
        coverage: Sequence[float],
        right: Sequence[bool],
        speedups: Sequence[float] | None = None,
    ) -> Tensor:
        """Return the probability that each turn is kept.

        Parameters
        ----------
        coverage : sequence of float
            Shares; not read where `right` is false.
        right : sequence of bool
        speedups : sequence of float, optional
            Read if `speedup` was given.
        """
        share = torch.tensor(coverage, dtype=torch.float64)
        correct = torch.tensor(right, dtype=torch.bool)
        if bool((correct & ~((share >= 0) & (share <= 1))).any()):
            raise ValueError("coverage of a right turn must be between 0 and 1; was it profiled?")
        over = share - self.threshold
        keep = (over / self.width).clamp(0, 1) if self.width else (over > 0).double()
        if self.speedup is not None:
            if speedups is None:
                raise ValueError("speedups must be given where a speedup keeps a turn")
            keep[torch.tensor(speedups, dtype=torch.float64) >= self.speedup] = 1.0
        return torch.where(correct, keep, 1.0)

    def __call__(
        self,
        coverage: Sequence[float],
        right: Sequence[bool],
        generator: torch.Generator,
        speedups: Sequence[float] | None = None,
    ) -> Tensor:
        """Draw which turns are kept: a Tensor of bool."""
        keep = self.probability(coverage, right, speedups)
        return torch.rand(len(keep), generator=generator, dtype=torch.float64) < keep
