"""The median distance of points: a kernel's lengthscale where nothing else is known."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks


def median_distance(
    X: Tensor,
    Y: Tensor | None = None,
    *,
    maximum: int | None = 1000,
    generator: torch.Generator | None = None,
    p: float = 2.0,
) -> Tensor:
    """The median of the distances between points that differ.

    Parameters
    ----------
    X, Y : Tensor, shapes (n, d) and (m, d)
        Points; pairs are of one each, or all of ``X`` without ``Y``.
    maximum : int, optional
        Points of each that are taken at most; None for all.
    generator : torch.Generator, optional
        Draws them; without it they are evenly spread over the rows.
    p : float, positive
        Of the norm: 2 for the Euclidean one, 1 for sums of absolute differences.

    Returns
    -------
    Tensor, shape ()
        Positive, in the units of the points, the lower one of an even number; 1 where no two
        points differ.

    Raises
    ------
    TypeError, ValueError
        If points are no finite floating-point numbers or do not fit each other.

    Examples
    --------
    >>> median_distance(torch.tensor([[0.0], [1.0], [3.0], [3.0]]))
    tensor(2.)
    >>> median_distance(torch.zeros(5, 2))
    tensor(1.)
    """
    apart = pair_distances(X, Y, maximum=maximum, generator=generator, p=p)
    return apart.median() if len(apart) else X.new_ones(())


def pair_distances(
    X: Tensor,
    Y: Tensor | None = None,
    *,
    maximum: int | None = 1000,
    generator: torch.Generator | None = None,
    p: float = 2.0,
) -> Tensor:
    """The distances that :func:`median_distance` takes the median of.

    Examples
    --------
    >>> pair_distances(torch.tensor([[0.0], [1.0], [3.0], [3.0]]))
    tensor([1., 3., 3., 2., 2.])
    """
    checks.positive("p", p)
    x = _some("X", X, maximum, generator)
    if Y is None:
        apart = torch.pdist(x, p=p)
    else:
        checks.alike("Y", Y, "X", X)
        y = _some("Y", Y, maximum, generator)
        if x.shape[1] != y.shape[1]:
            raise ValueError(f"X has {x.shape[1]} coordinates but Y has {y.shape[1]}")
        # A matrix product would hold equal points apart by its rounding.
        mode = "donot_use_mm_for_euclid_dist"
        apart = torch.cdist(x, y, p=p, compute_mode=mode).flatten()
    return apart[apart > 0]


def _some(name: str, X: Tensor, maximum: int | None, generator: torch.Generator | None) -> Tensor:
    checks.finite(name, checks.floating(name, X))
    if X.ndim != 2:
        raise ValueError(f"{name} must have shape (n, d), got {tuple(X.shape)}")
    if maximum is None:
        return X
    checks.count("maximum", maximum)
    if generator is None:
        return X[:: max(-(-len(X) // maximum), 1)]
    order = torch.randperm(len(X), generator=generator, device=generator.device)
    return X[order[:maximum].to(X.device)]
