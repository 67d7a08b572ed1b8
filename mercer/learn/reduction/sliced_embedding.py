"""The sliced Wasserstein distance of multivariate distributions, as a Euclidean one."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.reduction.samples import of_each, quantiles, read_samples, size
from mercer.linalg.random_source import random_source


def sliced_embedding(
    samples: Any,
    directions: int | Tensor = 50,
    levels: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Embed distributions by the quantile functions of their projections.

    .. math:: SW_2(\mu, \nu)^2 = \int W_2(\theta_\# \mu, \theta_\# \nu)^2 \, d\theta,

    the mean over the directions :math:`\theta` of the squared distances of the projections, is the
    squared Euclidean distance of the embedded points, as in :func:`quantile_embedding`.

    Parameters
    ----------
    samples : Tensor or array, shape (n, m, d), or sequence of n, shape (m_i, d)
        Points in ``d`` dimensions.
    directions : int or Tensor, shape (p, d)
        Unit vectors, or how many to draw from the sphere. Points that are to be compared need the
        same.
    levels : int, at least 1, optional
        Number of quantiles of a projection; the size of the largest sample by default.
    generator : torch.Generator, optional
        Where the draws come from; by default one seeded with 0.

    Returns
    -------
    Tensor, shape (n, levels p)

    Raises
    ------
    TypeError, ValueError
        If the samples are not of finite numbers, or directions do not fit them.

    Examples
    --------
    >>> cloud = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    >>> phi = sliced_embedding([cloud, cloud + torch.tensor([3.0, 4.0])], torch.eye(2))
    >>> torch.dist(phi[0], phi[1]).square()  # the mean of 9 and 16
    tensor(12.5000)

    References
    ----------
    N. Bonneel, J. Rabin, G. Peyré, H. Pfister, "Sliced and Radon Wasserstein Barycenters of
    Measures". https://doi.org/10.1007/s10851-014-0506-3
    """
    read = read_samples("samples", samples)
    d = read[0].shape[-1]
    if not isinstance(directions, Tensor):
        directions = sliced_directions(directions, d, generator)
    elif directions.ndim != 2 or directions.shape[1] != d:
        raise ValueError(f"directions must have shape (p, {d}), got {tuple(directions.shape)}")
    theta = directions.to(read[0])
    L = size(read) if levels is None else checks.count("levels", levels)
    scale = math.sqrt(L * len(theta))
    return of_each(read, lambda points: quantiles(points @ theta.mT, L).flatten(-2) / scale)


def sliced_directions(count: int, d: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw unit vectors, uniform on the sphere of ``d`` dimensions: float64, ``[count, d]``.

    Examples
    --------
    >>> sliced_directions(3, 2).norm(dim=1)
    tensor([1., 1., 1.], dtype=torch.float64)
    """
    shape = checks.count("directions", count), checks.count("d", d)
    drawn = torch.randn(*shape, dtype=torch.float64, generator=random_source(generator))
    return torch.nn.functional.normalize(drawn, dim=1)
