"""Intervals for the next residual of a series from windows of those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mercer.kernels import Kernel
from mercer.learn.conformal.calibrator import Calibrator
from mercer.learn.conformal.nadaraya_watson import ENTRIES, NadarayaWatson


class Windows(NamedTuple):
    """Each residual beside those before it.

    Parameters
    ----------
    X : Tensor, shape (T - w, w)
        The w residuals before, the latest first.
    Y : Tensor, shape (T - w,)
        The residual.
    """

    X: Tensor
    Y: Tensor


class ResidualIntervals(NamedTuple):
    """Intervals for successive residuals at several levels.

    Parameters
    ----------
    lower, upper : Tensor, shape (levels, m)
        In the units of the residuals.
    feasible, reached : Tensor of bool, shape (m,)
        As in :class:`LocalWeights`; where no window is within reach all past ones weigh the same.
    """

    lower: Tensor
    upper: Tensor
    feasible: Tensor
    reached: Tensor


def windows(residuals: Tensor, window: int) -> Windows:
    """Cut a series ``[T]`` into overlapping windows.

    Examples
    --------
    >>> windows(torch.tensor([1.0, 2.0, 3.0, 4.0]), 2)
    Windows(X=tensor([[2., 1.],
            [3., 2.]]), Y=tensor([3., 4.]))
    """
    return Windows(residuals[:-1].unfold(0, window, 1).flip(1), residuals[window:])


def residual_intervals(
    residuals: Tensor,
    steps: int,
    alphas: Sequence[float],
    *,
    kernel: Kernel,
    bandwidth: float,
    window: int,
    memory: int,
    reweighted: bool = True,
) -> ResidualIntervals:
    """Intervals for successive residuals, each from the ``memory`` residuals before it.

    The intervals are those of a loop over time; blocks of it are computed together.

    Parameters
    ----------
    residuals : Tensor, shape (T,)
        In order of time, ``T >= memory + steps - 1``. The last interval is of the residual after
        these, the one before it of the last of these, and so on.
    steps : int
        ``m``, how many.
    alphas : sequence of float
        One minus each level, from 0 to 1.
    kernel, bandwidth, reweighted
        As in :class:`NadarayaWatson`.
    window : int
        ``w``, below ``memory``.
    memory : int
        How many residuals the estimate is of.

    Returns
    -------
    ResidualIntervals
    """
    end = len(residuals) + 1
    n = memory - window
    block = max(1, ENTRIES // (2 * n))
    parts = []
    for first in range(end - steps, end, block):
        count = min(block, end - first)
        # Query t may read windows t .. t + n - 1 of this stretch.
        past = residuals[first - memory : first + count - 1]
        X, Y = windows(past, window)  # [n + count - 1, w], [n + count - 1]
        Z = past.unfold(0, window, 1).flip(1)[n:]  # [count, w]
        counted = band(count, n, Y)
        estimate = NadarayaWatson(kernel, X, Y, bandwidth=bandwidth, reweighted=reweighted)
        weights = estimate.weights(Z, counted)
        values = torch.where(weights.reached[:, None], weights.values, counted.to(Y))
        calibrator = Calibrator.fit(Y, values, test_weight=0.0)
        lower, upper = zip(*(calibrator.interval(alpha) for alpha in alphas))
        parts.append((torch.stack(lower), torch.stack(upper), weights.feasible, weights.reached))
    return ResidualIntervals(*(torch.cat(column, dim=-1) for column in zip(*parts)))


def band(steps: int, n: int, like: Tensor) -> Tensor:
    """Row t is true at columns t to t + n - 1, ``[steps, n + steps - 1]``."""
    place = torch.arange(n + steps - 1, device=like.device)
    age = place - torch.arange(steps, device=like.device)[:, None]
    return (age >= 0) & (age < n)
