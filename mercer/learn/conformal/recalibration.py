"""The level at which intervals held as often as they should."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.learn.conformal.calibrator import Calibrator
from mercer.learn.conformal.residual_intervals import ResidualIntervals, band

TIMES = tuple(2.0 ** (k / 4) for k in range(-12, 5))


def alphas_near(alpha: float) -> list[float]:
    """The grid of levels, from an eighth of ``alpha`` to twice it, ascending."""
    return [min(1.0, alpha * times) for times in TIMES]


def least_levels(intervals: ResidualIntervals, residuals: Tensor, alphas: list[float]) -> Tensor:
    """The least of the levels at which each residual is covered, ``[m]``; 1 if at none.

    Parameters
    ----------
    intervals : ResidualIntervals
        Of ``residuals``, at all of ``alphas``.
    residuals : Tensor, shape (m,)
    alphas : list of float
        One minus each level.

    Returns
    -------
    Tensor, shape (m,)
    """
    holds = (intervals.lower <= residuals) & (residuals <= intervals.upper)  # [levels, m]
    levels = 1 - residuals.new_tensor(alphas)
    return torch.where(holds, levels[:, None], 1.0).amin(dim=0)


def calibrated_level(scores: Tensor, steps: int, alphas: list[float], alpha: float) -> Tensor:
    """Which of ``alphas`` to use at each of some steps.

    Split conformal prediction with least levels as scores: the level that held in ``1 - alpha`` of
    the steps before.

    Parameters
    ----------
    scores : Tensor, shape (memory + steps - 1,)
        Least levels of the residuals before the last step.
    steps : int
        How many.
    alphas : list of float
        Ascending.
    alpha : float
        One minus the coverage.

    Returns
    -------
    Tensor of int, shape (steps,)
        Into ``alphas``; the highest level where none is high enough.

    Examples
    --------
    >>> scores = torch.tensor([0.5, 0.9, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5, 0.5])
    >>> calibrated_level(scores, 1, [0.1, 0.2, 0.5], 0.2)
    tensor([0])
    >>> calibrated_level(scores, 1, [0.1, 0.2, 0.5], 0.4)
    tensor([2])
    """
    memory = len(scores) + 1 - steps
    counted = band(steps, memory, scores).to(scores)  # [steps, memory + steps - 1]
    wanted = Calibrator.fit(scores, counted).quantile(1 - alpha)  # [steps]
    levels = 1 - scores.new_tensor(alphas)
    return ((levels >= wanted[:, None]).sum(dim=1) - 1).clamp_min(0)
