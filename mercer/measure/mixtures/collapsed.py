"""Gibbs sampling of labels with everything else integrated out."""

from __future__ import annotations

import numpy as np

from mercer.measure.mixtures.clusters import Clusters
from mercer.measure.mixtures.normal_inverse_wishart import NormalInverseWishart
from mercer.measure.mixtures.normal_means import NormalMeans

Family = NormalMeans | NormalInverseWishart


def collapsed_sweep(
    X: np.ndarray,
    labels: np.ndarray,
    family: Family,
    concentration: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return labels ``[n]`` after each row in turn has chosen its cluster anew.

    A row joins a cluster with probability proportional to its size times the predictive density,
    or a new one, for which ``concentration`` takes the place of the size (Neal's algorithm 3).

    Parameters
    ----------
    X : array, shape (n, d)
        The rows, in the coordinates of the family.
    labels : array of int, shape (n,)
        Clusters 0, 1, ...; not written to.
    family : NormalMeans or NormalInverseWishart
        The components and their prior.
    concentration : float
        Of the Dirichlet process.
    rng : numpy.random.Generator
        Where the choices come from.

    Returns
    -------
    array of int, shape (n,)

    References
    ----------
    R. Neal, "Markov Chain Sampling Methods for Dirichlet Process Mixture Models", algorithm 3.
    https://doi.org/10.1080/10618600.2000.10474879
    """
    labels = labels.copy()
    clusters = Clusters.of(X, labels, int(labels.max()) + 2, outer=family.outer)
    for i, u in enumerate(rng.random(len(X))):
        clusters.move(X[i], labels[i], -1)
        if clusters.counts.all():
            clusters = clusters.grown()
        new = int(np.argmin(clusters.counts))  # an empty one
        sizes = clusters.counts.copy()
        sizes[new] = concentration
        log_fit = family.log_predictive(X[i : i + 1], clusters)[0]  # [k]
        chances = sizes * np.exp(log_fit - log_fit[sizes > 0].max())
        upto = chances.cumsum()
        labels[i] = np.searchsorted(upto, u * upto[-1], side="right")
        clusters.move(X[i], labels[i], 1)
    return np.unique(labels, return_inverse=True)[1]
