"""Gibbs sampling of all labels at once, given a draw of the mixing measure."""

from __future__ import annotations

import numpy as np

from mercer.measure.mixtures.clusters import Clusters
from mercer.measure.mixtures.collapsed import Family
from mercer.measure.mixtures.normal_means import Atoms


def blocked_sweep(
    X: np.ndarray,
    labels: np.ndarray,
    family: Family,
    concentration: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return labels ``[n]`` drawn independently given weights, atoms and slices.

    Given a partition the mixing measure is known: weights of the occupied atoms and of the rest are
    Dirichlet, the rest is the Dirichlet process again. A level u_i below the weight of its atom
    lets row i choose among the finitely many atoms whose weight is above, evenly but for the
    likelihood; so the infinite measure is broken only as far as the lowest level, and nothing is
    truncated.

    Parameters
    ----------
    X, labels, family, concentration, rng
        See :func:`mercer.measure.mixtures.collapsed.collapsed_sweep`.

    Returns
    -------
    array of int, shape (n,)

    References
    ----------
    S. Walker, "Sampling the Dirichlet Mixture Model with Slices".
    https://doi.org/10.1080/03610910601096262

    M. Kalli, J. Griffin, S. Walker, "Slice sampling mixture models".
    https://doi.org/10.1007/s11222-009-9150-y
    """
    k = int(labels.max()) + 1
    clusters = Clusters.of(X, labels, k, outer=family.outer)
    weights = rng.dirichlet(np.append(clusters.counts, concentration))  # the last: all other atoms
    levels = weights[labels] * (1 - rng.random(len(X)))  # [n], in (0, w]
    others = broken(weights[-1], levels.min(), concentration, rng)
    weights = np.concatenate([weights[:-1], others])
    log_fit = family.log_density(X, drawn_with(clusters, len(others), family, rng))  # [n, k + ...]
    log_fit[weights < levels[:, None]] = -np.inf
    upto = np.exp(log_fit - log_fit.max(axis=1, keepdims=True)).cumsum(axis=1)
    u = rng.random(len(X)) * upto[:, -1]
    return np.unique((upto <= u[:, None]).sum(axis=1), return_inverse=True)[1]


def broken(mass: float, least: float, concentration: float, rng: np.random.Generator) -> np.ndarray:
    """Break sticks off ``mass`` until less than ``least`` remains; their lengths."""
    found = []
    while mass >= least:
        share = rng.beta(1.0, concentration)
        found.append(mass * share)
        mass *= 1 - share
    return np.array(found)


def drawn_with(clusters: Clusters, others: int, family: Family, rng: np.random.Generator) -> Atoms:
    """Atoms of the clusters and after them ``others`` from the prior."""
    empty = (np.zeros((others, *v.shape[1:])) for v in vars(clusters).values())
    together = (np.concatenate([v, e]) for v, e in zip(vars(clusters).values(), empty))
    return family.draw(Clusters(*together), rng)
