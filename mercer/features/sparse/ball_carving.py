"""Locality-sensitive hashing by carving space into balls."""

from __future__ import annotations

import functools
import math

import numpy as np
import scipy.special
import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.random_source import random_source

# Numbers of a temporary that stays in the cache.
_CACHED = 2**17


class BallCarving:
    r"""Hash tables in which near points collide more often than far ones.

    A hash projects points to ``t`` dimensions by a Gaussian matrix and carves that space with
    grids of balls of radius ``w``, centres ``4 w`` apart and shifted at random, laid one after the
    other until every point is in a ball; the hash of a point is the first ball that it is in. In
    one dimension the balls are intervals, and one grid of them tiles the line. A table
    concatenates ``k`` hashes.

    Points at distance ``r`` are projected to a distance :math:`\Delta` of law :math:`r \chi_t`.
    They share the first ball that holds either with probability :math:`x / (2 - x)`, where
    :math:`x = I_{1 - (\Delta / 2 w)^2}((t + 1) / 2, 1 / 2)` is what two balls have in common; on
    the tiled line, with probability ``x``.

    Parameters
    ----------
    d : int
        Dimension of the points.
    width : float
        ``w``, in the units of the points.
    concatenations : int
        ``k``, hashes of a table.
    tables : int
        Independent tables.
    dimension : int
        ``t``. Larger separates better in the limit; a point needs ``4^t / volume of a ball`` grids
        in the mean.
    generator : torch.Generator, optional
        Seeded with 0 by default.

    References
    ----------
    A. Andoni, P. Indyk, Near-Optimal Hashing Algorithms for Approximate Nearest Neighbor in High
    Dimensions. https://doi.org/10.1109/FOCS.2006.49

    M. Datar, N. Immorlica, P. Indyk, V. Mirrokni, Locality-Sensitive Hashing Scheme Based on
    p-Stable Distributions (one dimension). https://doi.org/10.1145/997817.997857

    Examples
    --------
    >>> tables = BallCarving(2, width=2.0, concatenations=1, tables=1000)
    >>> codes = tables(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))  # at distance 5
    >>> share = (codes[:, 0] == codes[:, 1]).double().mean().item()
    >>> print(f"{share:.2f}, {tables.collision_probability(torch.tensor(5.0)).item():.2f}")
    0.30, 0.30
    """

    def __init__(
        self,
        d: int,
        width: float,
        concatenations: int,
        tables: int,
        *,
        dimension: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        self.width = float(checks.positive("width", width))
        self.concatenations = checks.count("concatenations", concatenations)
        self.tables = checks.count("tables", tables)
        self.dimension = checks.count("dimension", dimension)
        self.generator = random_source(generator)
        device = self.generator.device
        hashes = self.tables * self.concatenations
        self.projections = torch.randn(
            d, hashes * dimension, dtype=torch.float64, generator=self.generator, device=device
        )
        # Random odd multipliers make one number of the cell, its grid and the hash it is of.
        self.multipliers = (
            torch.randint(
                -(2**62), 2**62, (hashes, dimension + 1), generator=self.generator, device=device
            )
            * 2
            + 1
        )
        self._shifts: list[Tensor] = []

    def collision_probability(self, distance: Tensor) -> Tensor:
        """Probability that points at ``distance``, any shape, share their code in a table."""
        return collision_probability(distance, self.width, self.dimension) ** self.concatenations

    def __call__(self, X: Tensor) -> Tensor:
        """Codes of points: ``[n, d] -> [tables, n]``, int32.

        Equal where all ``k`` hashes are, and else with probability near ``2^-32``.
        """
        A, multipliers = self.projections.to(X), self.multipliers.to(X.device)
        step = max(1, _CACHED // A.shape[1])
        blocks = [self._codes(block, A, multipliers) for block in X.split(step)]
        return torch.cat(blocks).T.contiguous()

    def _codes(self, X: Tensor, A: Tensor, multipliers: Tensor) -> Tensor:
        """Codes ``[n, tables]`` of a block."""
        spacing = 2 * self.width if self.dimension == 1 else 4 * self.width
        P = (X @ A).div_(spacing).unflatten(1, (-1, self.dimension))  # [n, T k, t]
        if self.dimension == 1:
            cells = (P + self._shift(0, X)).floor_()[..., 0].long()
            codes = cells.mul_(multipliers[:, 0])  # [n, T k]
        else:
            codes = self._first_balls(P, multipliers)
        # The upper half of a sum of odd multiples is the universal part of it.
        return (codes.unflatten(1, (self.tables, -1)).sum(-1) >> 32).int()

    def _first_balls(self, P: Tensor, multipliers: Tensor) -> Tensor:
        """Codes ``[n, T k]`` of the first balls that hold ``P``, ``[n, T k, t]`` in spacings."""
        n, hashes, t = P.shape
        codes = torch.zeros(n * hashes, dtype=torch.int64, device=P.device)
        left = torch.arange(n * hashes, device=P.device)  # in no ball so far
        P, grid = P.reshape(-1, t), 0
        while left.numel():
            which = left % hashes
            offset = P[left] + self._shift(grid, P)[which]
            cell = offset.round()
            inside = (offset - cell).square().sum(1) <= 1 / 16  # a radius is a quarter spacing
            held = which[inside]
            cells = (cell[inside].long() * multipliers[held, :t]).sum(1)
            codes[left[inside]] = cells + grid * multipliers[held, t]
            left, grid = left[~inside], grid + 1
        return codes.reshape(n, hashes)

    def _shift(self, grid: int, like: Tensor) -> Tensor:
        """Shift of the grid in spacings, ``[T k, t]``; drawn when it is first wanted."""
        while len(self._shifts) <= grid:
            shape = (self.tables * self.concatenations, self.dimension)
            device = self.generator.device
            self._shifts.append(
                torch.rand(shape, dtype=torch.float64, generator=self.generator, device=device)
            )
        return self._shifts[grid].to(like)


_gauss_legendre = functools.cache(np.polynomial.legendre.leggauss)


def collision_probability(distance: Tensor, width: float, dimension: int) -> Tensor:
    r"""Probability that two points share one hash of :class:`BallCarving`, in float64.

    The mean of :math:`x / (2 - x)` over the law of :math:`\Delta`, by Gauss–Legendre quadrature.

    Parameters
    ----------
    distance : Tensor
        Of any shape, not negative.
    width : float
        ``w``.
    dimension : int
        ``t``.

    Returns
    -------
    Tensor
        In the shape of ``distance``.

    Examples
    --------
    >>> collision_probability(torch.tensor([0.0, 1.0, 8.0]), 1.0, 2)
    tensor([1.0000, 0.2284, 0.0052], dtype=torch.float64)
    """
    r = np.maximum(distance.detach().cpu().double().numpy(), 1e-12 * width)[..., None]
    nodes, weights = _gauss_legendre(64)
    # Delta / r up to the diameter of a ball; chi beyond sqrt(t) + 9 has no mass.
    top = np.minimum(2 * width / r, math.sqrt(dimension) + 9)
    chi = top * (nodes + 1) / 2
    density = chi ** (dimension - 1) * np.exp(-(chi**2) / 2)
    density /= 2 ** (dimension / 2 - 1) * math.gamma(dimension / 2)
    z = np.clip(1 - (chi * r / (2 * width)) ** 2, 0, 1)
    x = scipy.special.betainc((dimension + 1) / 2, 0.5, z)
    share = x if dimension == 1 else x / (2 - x)
    found = (share * density * weights).sum(-1) * top[..., 0] / 2
    return torch.from_numpy(np.asarray(found.clip(0, 1))).to(distance.device)
