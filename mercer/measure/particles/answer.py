"""What a caller's function gives at particles."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks


def check_answer(name: str, value: Tensor, points: Tensor, iteration: int) -> None:
    """Raise if a function has NaN at finite points, or infinity at the start.

    Later infinity may come of particles that run away, which :func:`evolve` speaks of.

    Parameters
    ----------
    name : str
        Of the function.
    value : Tensor
        What it gave.
    points : Tensor
        Where.
    iteration : int
        From 0.

    Raises
    ------
    ValueError
        With the iteration and the size of the points.

    Examples
    --------
    >>> x = torch.tensor([[0.0], [2.0]])
    >>> check_answer("score", x / x, x, 0)
    Traceback (most recent call last):
    ...
    ValueError: score gives NaN in iteration 1 at points of entries up to 2; it must be finite there
    """
    bad = value.detach().isnan() if iteration else ~torch.isfinite(value.detach())
    if checks.concrete(value) and bool(bad.any()) and bool(torch.isfinite(points).all()):
        found = "NaN" if bool(value.isnan().any()) else "infinity"
        raise ValueError(
            f"{name} gives {found} in iteration {iteration + 1} at points of entries up to "
            f"{float(points.detach().abs().max()):g}; it must be finite there"
        )
