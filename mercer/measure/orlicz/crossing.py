"""Where a decreasing function of a scale crosses one."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 200


def crossing(value: Callable[[Tensor], Tensor], low: float, high: float, tol: float) -> float:
    """Return the scale in ``[low, high]`` at which ``value`` crosses one from above.

    Newton's steps in the logarithms of both, one of which suffices for a power; bisection of the
    logarithm wherever such a step would leave the bracket or the bracket shrinks too slowly.

    Parameters
    ----------
    value : callable
        Continuous and differentiable almost everywhere; at most one at ``high``.
    low, high : float
        Positive bracket. If the value is at most one at ``low`` too, that is the answer.
    tol : float
        Relative error of the scale.

    Returns
    -------
    float

    Examples
    --------
    >>> round(crossing(lambda scale: (3 / scale) ** 2, 1.0, 100.0, 1e-12), 9)
    3.0
    """
    scale = high
    for step in range(STEPS):
        found, slope = with_slope(value, scale)
        if found > 1:
            low = scale
        else:
            high = scale
        if high <= low * (1 + tol):
            return high
        steepness = -slope * scale / found if found > 0 else 0.0  # -d log value / d log scale
        newton = math.log(found) / steepness if steepness > 0 else math.inf
        if abs(newton) <= tol:
            return scale
        # Every third step bisects, so that the bracket always shrinks; by no more than four at
        # once, since values far below the crossing are costly.
        ahead = math.log(scale) + newton
        if not math.log(low) < ahead < math.log(high) or step % 3 == 2:
            ahead = max((math.log(low) + math.log(high)) / 2, math.log(high / 4))
        scale = math.exp(ahead)
    return high


def with_slope(value: Callable[[Tensor], Tensor], scale: float) -> tuple[float, float]:
    """The value at a scale and its derivative."""
    at = torch.tensor(scale, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        found = value(at)
        (slope,) = torch.autograd.grad(found, at)
    return found.item(), slope.item()


def implicit(value: Callable[[Tensor], Tensor], scale: float, *inputs: Tensor) -> Tensor:
    """``scale`` as a once differentiable function of the inputs that ``value`` depends on.

    Where value(scale, X) = 1, d scale / dX = -(d value / dX) / (d value / d scale).
    """
    if not (torch.is_grad_enabled() and any(t.requires_grad for t in inputs)):
        return inputs[0].new_tensor(scale)
    at = torch.tensor(scale, dtype=torch.float64, device=inputs[0].device, requires_grad=True)
    found = value(at)
    (slope,) = torch.autograd.grad(found, at, retain_graph=True)
    return (scale - (found - found.detach()) / slope).to(inputs[0])
