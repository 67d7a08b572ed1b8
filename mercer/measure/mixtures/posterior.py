"""What rows and a prior say once a partition is given."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from mercer.measure.mixtures.blocked import broken, drawn_with
from mercer.measure.mixtures.clusters import Clusters
from mercer.measure.mixtures.mixing_measure import MixingMeasure
from mercer.measure.mixtures.partition_prior import log_partition_prior
from mercer.measure.mixtures.prior import Prior


class Posterior(NamedTuple):
    """The posterior of a Dirichlet-process mixture: all of it is exact given a partition.

    Parameters
    ----------
    rows : array, shape (n, d)
        In the coordinates in which the prior is standard; all others are in the data's.
    prior : Prior
        Of the components.
    concentration : float
        Of the Dirichlet process.
    """

    rows: np.ndarray
    prior: Prior
    concentration: float

    def clusters(self, labels: np.ndarray, *, empty: int = 0) -> Clusters:
        """The clusters of a partition, and empty ones after them."""
        k = int(labels.max()) + 1 + empty
        return Clusters.of(self.rows, labels, k, outer=self.prior.family.outer)

    def log_probability(self, labels: np.ndarray) -> float:
        """Logarithm of the law of partition and rows together, in the units of the data."""
        clusters = self.clusters(labels)
        log_fit = self.prior.family.log_marginal(clusters).sum()
        log_fit -= len(labels) * self.prior.log_volume()
        return float(log_fit + log_partition_prior(clusters.counts, self.concentration))

    def likeliest(self, labels: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Which cluster of a partition further rows ``[m, d]`` most likely belong to."""
        rows, clusters = self.prior.standardised(X), self.clusters(labels)
        log_fit = self.prior.family.log_predictive(rows, clusters) + np.log(clusters.counts)
        return log_fit.argmax(axis=1)

    def log_density(self, partitions: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Log density of further rows ``[m, d]``: the mean over partitions ``[draws, n]``."""
        rows = self.prior.standardised(X)
        found = np.full(len(X), -np.inf)
        for labels in partitions:
            clusters = self.clusters(labels, empty=1)
            sizes = np.append(clusters.counts[:-1], self.concentration)
            terms = self.prior.family.log_predictive(rows, clusters) + np.log(sizes / sizes.sum())
            found = np.logaddexp(found, np.logaddexp.reduce(terms, axis=1))
        return found - math.log(len(partitions)) - self.prior.log_volume()

    def mixing_measure(
        self, labels: np.ndarray, remainder: float, rng: np.random.Generator
    ) -> MixingMeasure:
        """A draw of the mixing measure, but for a share of the mass beside occupied atoms."""
        origin, factor, family = self.prior
        clusters = self.clusters(labels)
        weights = rng.dirichlet(np.append(clusters.counts, self.concentration))
        others = broken(1.0, remainder, self.concentration, rng)
        others *= weights[-1] / others.sum()
        atoms = drawn_with(clusters, len(others), family, rng)
        roots = factor if atoms.roots is None else factor @ atoms.roots
        found = (
            np.concatenate([weights[:-1], others]),
            origin + atoms.means @ factor.T,
            roots @ roots.swapaxes(-1, -2),
        )
        return MixingMeasure(*(torch.from_numpy(value) for value in found))
