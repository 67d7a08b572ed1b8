"""Normal clusters of unit covariance whose means have a normal prior."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mercer.measure.mixtures.clusters import Clusters


class Atoms(NamedTuple):
    """Parameters of components: means ``[k, d]`` and, unless all are one, roots ``[k, d, d]``."""

    means: np.ndarray
    roots: np.ndarray | None = None


class NormalMeans:
    """``x ~ N(theta, I)``, ``theta ~ N(0, diag(spread))``.

    Any two covariances, of the data about a mean and of the means, are brought into this form by
    one linear map.

    Parameters
    ----------
    spread : array, shape (d,)
        Prior variances of a mean.
    """

    outer = False

    def __init__(self, spread: np.ndarray) -> None:
        self.spread = spread

    def log_predictive(self, X: np.ndarray, clusters: Clusters) -> np.ndarray:
        """Log densities ``[n, k]`` of further rows of each cluster, given those it has."""
        precision = 1 / self.spread + clusters.counts[:, None]  # [k, d]
        mean, variance = clusters.sums / precision, 1 / precision + 1
        z = (X[:, None, :] - mean) ** 2 / variance  # [n, k, d]
        return -(z.sum(-1) + np.log(2 * math.pi * variance).sum(-1)) / 2

    def log_marginal(self, clusters: Clusters) -> np.ndarray:
        """Log densities ``[k]`` of all rows of each cluster, the mean integrated out."""
        counts = clusters.counts[:, None]
        fit = clusters.squares - clusters.sums**2 / (1 / self.spread + counts)
        return -(counts * math.log(2 * math.pi) + np.log1p(counts * self.spread) + fit).sum(-1) / 2

    def draw(self, clusters: Clusters, rng: np.random.Generator) -> Atoms:
        """Atoms given the rows of each cluster; of an empty one, from the prior."""
        precision = 1 / self.spread + clusters.counts[:, None]
        z = rng.standard_normal(precision.shape)
        return Atoms(clusters.sums / precision + z / np.sqrt(precision))

    def log_density(self, X: np.ndarray, atoms: Atoms) -> np.ndarray:
        """Log densities ``[n, k]`` of the components."""
        M, d = atoms.means, X.shape[1]
        if d == 1:
            squares = (X - M.T) ** 2
        else:
            squares = (X**2).sum(-1)[:, None] - 2 * X @ M.T + (M**2).sum(-1)
        return -(squares + d * math.log(2 * math.pi)) / 2
