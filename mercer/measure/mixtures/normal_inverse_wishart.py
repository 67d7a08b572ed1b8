"""Normal clusters whose means and covariances have a normal-inverse-Wishart prior."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln, multigammaln

from mercer.measure.mixtures.clusters import Clusters
from mercer.measure.mixtures.normal_means import Atoms


class NormalInverseWishart:
    r"""``x ~ N(mu, S)``, ``mu | S ~ N(0, S / kappa)``, ``S ~ IW(nu, I)``.

    Any prior scale is brought into this form by one linear map.

    Parameters
    ----------
    dimension : int
        ``d``.
    kappa : float
        Rows that the prior mean is worth; positive.
    nu : float
        Degrees of freedom, above ``d - 1``.

    References
    ----------
    K. Murphy, "Conjugate Bayesian analysis of the Gaussian distribution".
    https://www.cs.ubc.ca/~murphyk/Papers/bayesGauss.pdf
    """

    outer = True

    def __init__(self, dimension: int, kappa: float, nu: float) -> None:
        self.dimension, self.kappa, self.nu = dimension, kappa, nu

    def log_predictive(self, X: np.ndarray, clusters: Clusters) -> np.ndarray:
        """Log densities ``[n, k]`` of further rows of each cluster: Student's t."""
        d = self.dimension
        kappa, nu, mean, scale = self._posterior(clusters)
        degrees = nu - d + 1
        factor = np.linalg.cholesky(scale * ((kappa + 1) / kappa)[:, None, None])  # [k, d, d]
        z = np.einsum("kde,nke->nkd", np.linalg.inv(factor), X[:, None, :] - mean)
        log_volume = np.log(factor.diagonal(axis1=1, axis2=2)).sum(-1)
        constant = gammaln((degrees + d) / 2) - gammaln(degrees / 2) - d / 2 * math.log(math.pi)
        return constant - log_volume - (degrees + d) / 2 * np.log1p((z**2).sum(-1))

    def log_marginal(self, clusters: Clusters) -> np.ndarray:
        """Log densities ``[k]`` of all rows of each cluster, mean and covariance integrated out."""
        d = self.dimension
        kappa, nu, _, scale = self._posterior(clusters)
        return (
            multigammaln(nu / 2, d)
            - multigammaln(self.nu / 2, d)
            - nu / 2 * np.linalg.slogdet(scale)[1]
            + d / 2 * (math.log(self.kappa) - np.log(kappa))
            - clusters.counts * d / 2 * math.log(math.pi)
        )

    def draw(self, clusters: Clusters, rng: np.random.Generator) -> Atoms:
        """Atoms given the rows of each cluster; of an empty one, from the prior."""
        d = self.dimension
        kappa, nu, mean, scale = self._posterior(clusters)
        # Bartlett: T lower triangular with T T' ~ Wishart(nu, I); then S = (L T^-T)(L T^-T)'.
        T = np.tril(rng.standard_normal((len(nu), d, d)), -1)
        index = np.arange(d)
        T[:, index, index] = np.sqrt(rng.chisquare(nu[:, None] - index))
        roots = np.linalg.cholesky(scale) @ np.linalg.inv(T).swapaxes(1, 2)
        z = rng.standard_normal((len(nu), d)) / np.sqrt(kappa)[:, None]
        return Atoms(mean + np.einsum("kde,ke->kd", roots, z), roots)

    def log_density(self, X: np.ndarray, atoms: Atoms) -> np.ndarray:
        """Log densities ``[n, k]`` of the components."""
        assert atoms.roots is not None
        z = np.einsum("kde,nke->nkd", np.linalg.inv(atoms.roots), X[:, None, :] - atoms.means)
        log_volume = np.linalg.slogdet(atoms.roots)[1] + self.dimension / 2 * math.log(2 * math.pi)
        return -(z**2).sum(-1) / 2 - log_volume

    def _posterior(
        self, clusters: Clusters
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """``kappa [k], nu [k], mean [k, d], scale [k, d, d]`` given the rows of each cluster."""
        kappa, nu = self.kappa + clusters.counts, self.nu + clusters.counts
        mean = clusters.sums / kappa[:, None]
        pulled = kappa[:, None, None] * mean[:, :, None] * mean[:, None, :]
        return kappa, nu, mean, np.eye(self.dimension) + clusters.squares - pulled
