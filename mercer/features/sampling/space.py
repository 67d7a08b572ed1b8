"""Finite-dimensional spaces of functions, orthonormal for a probability measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.features.base import FeatureMap


class Projection(NamedTuple):
    """The orthogonal projection of a function on a space."""

    coefficients: Tensor  # [m]
    squared_error: Tensor  # [], of the best approximation in L^2


class Space(FeatureMap):
    r"""``V`` with an orthonormal basis :math:`\phi` in :math:`L^2(\mu)`, which can be sampled.

    A space writes :meth:`features`, :meth:`sample_measure`, :meth:`sample_optimal` and
    :meth:`quadrature`. All that is drawn is float64 on the CPU.

    Attributes
    ----------
    dimension : int
        ``m``, the dimension of ``V`` (features of a point).
    coordinates : int
        ``d``, the coordinates of a point.
    """

    coordinates: int

    def sample_measure(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Independent points from the measure: ``[n, d]``."""
        raise NotImplementedError(f"{type(self).__name__} must define sample_measure")

    def sample_optimal(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        r"""Independent points from :math:`|\phi|^2 / m` with respect to the measure: ``[n, d]``."""
        raise NotImplementedError(f"{type(self).__name__} must define sample_optimal")

    def quadrature(self) -> tuple[Tensor, Tensor]:
        """Points ``[q, d]`` and weights ``[q]`` that integrate by the measure."""
        raise NotImplementedError(f"{type(self).__name__} must define quadrature")

    def christoffel(self, X: Tensor) -> Tensor:
        r"""The optimal density :math:`|\phi(x)|^2 / m`: ``[*batch, n, d] -> [*batch, n]``.

        It is one over ``m`` times the Christoffel function, and the density of each point of the
        projection determinantal process.
        """
        return self(X).square().sum(-1) / self.dimension

    def density(self, X: Tensor, share: float) -> Tensor:
        r"""Of the law :math:`\nu` that :meth:`sample` draws from: ``[*batch, n]``."""
        return share * self.christoffel(X) + (1 - share)

    def sample(self, n: int, share: float, generator: torch.Generator | None = None) -> Tensor:
        r"""Independent points from the mixture :math:`\nu` of the optimal measure and ``mu``.

        Parameters
        ----------
        n : int
            How many points.
        share : float
            Of the optimal measure, in [0, 1].
        generator : torch.Generator, optional
            Of the points.

        Returns
        -------
        Tensor, shape (n, d)
        """
        checks.interval("share", share, 0, 1)
        optimal = torch.rand(n, generator=generator, dtype=torch.float64) < share
        X = torch.empty(n, self.coordinates, dtype=torch.float64)
        count = int(optimal.sum())
        X[optimal] = self.sample_optimal(count, generator)
        X[~optimal] = self.sample_measure(n - count, generator)
        return X

    def project(self, f: Callable[[Tensor], Tensor]) -> Projection:
        """The best approximation of ``f`` in L^2, by quadrature.

        Parameters
        ----------
        f : callable
            From points ``[q, d]`` to values ``[q]``.
        """
        X, weights = self.quadrature()
        values, phi = f(X), self(X)
        c = phi.mT @ (weights * values)
        return Projection(c, (weights * (values - phi @ c).square()).sum())
