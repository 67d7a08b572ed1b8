"""How many points a kind of design needs."""

from __future__ import annotations

from collections.abc import Callable

import torch

from mercer.features.sampling.least_squares import WeightedLeastSquares
from mercer.features.sampling.sample_design import sample_design
from mercer.features.sampling.space import Space


def stable_size(
    space: Space,
    generator: torch.Generator | None = None,
    *,
    block: Callable[[int], int | None] = lambda n: None,
    condition: float = 0.5,
    probability: float = 0.5,
    draws: int = 200,
) -> int:
    r"""The least multiple of ``m`` points with :math:`\|G - I\|` mostly at most ``condition``.

    By bisection over simulated designs, which takes stability to grow with the number of points.

    Parameters
    ----------
    space : Space
        Of dimension ``m``.
    generator : torch.Generator, optional
        Of the points.
    block : callable
        From the number of points to the ``block`` of :func:`sample_design`.
    condition : float
        In (0, 1).
    probability : float
        The share of designs that must be stable, in (0, 1).
    draws : int
        Designs of each size.

    Returns
    -------
    int

    Examples
    --------
    >>> from mercer.features.sampling import PolynomialSpace
    >>> g, space = torch.Generator().manual_seed(0), PolynomialSpace(4)
    >>> stable_size(space, g, block=lambda n: 5) < stable_size(space, g)
    True
    """
    for name, value in (("condition", condition), ("probability", probability)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be between 0 and 1, got {value}")
    m = space.dimension

    def stable(r: int) -> bool:
        design = sample_design(space, r * m, generator, block=block(r * m), draws=draws)
        found = WeightedLeastSquares(space, design).deviation <= condition
        return bool(found.double().mean() >= probability)

    low, high = 0, 1
    while not stable(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if stable(middle) else (middle, high)
    return high * m
