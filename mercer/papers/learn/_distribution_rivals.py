"""Other ways to reduce a distribution."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from mercer.learn.reduction import GeneralisedSlicedInverseRegression

Array = np.ndarray
COMPONENTS = 10  # kept of a distribution before a linear method


def by_densities(X: Array, Y: Array, test: Array, order: int) -> Array:
    """The same regression with the L2 distance of densities, ``[n, m]`` samples."""
    grid_x, grid_y = _grid(X), _grid(Y)
    model = GeneralisedSlicedInverseRegression(components=order)
    model.fit(_densities(X, grid_x), _densities(Y, grid_y))
    return model.transform(_densities(test, grid_x))


def weighted_inverse_regression(X: Array, Y: Array, test: Array, order: int) -> Array:
    """Linear predictors of embedded rows: WIRE on principal components.

    Directions are eigenvectors of ``-E d(Y, Y') (X - EX)(X' - EX)^T`` against ``cov X``.
    """
    from sklearn.decomposition import PCA

    pca = PCA(COMPONENTS, whiten=True, random_state=0).fit(X)
    Z = pca.transform(X)
    vectors = np.linalg.eigh(-Z.T @ cdist(Y, Y) @ Z)[1]
    return pca.transform(test) @ vectors[:, ::-1][:, :order]


def canonical_components(X: Array, Y: Array, test: Array, order: int) -> Array:
    """Canonical variates of the kernel principal components of both sides."""
    from sklearn.cross_decomposition import CCA

    x, y = _kernel_components(X), _kernel_components(Y)
    canonical = CCA(order, max_iter=5000).fit(x.transform(X), y.transform(Y))
    return canonical.transform(x.transform(test))


def _kernel_components(Z: Array):
    """With the bandwidth of ``kernel_of``."""
    from sklearn.decomposition import KernelPCA

    gamma = (len(Z) - 1) / (4 * len(Z) * Z.var(axis=0).sum())
    return KernelPCA(COMPONENTS, kernel="rbf", gamma=gamma, random_state=0).fit(Z)


def _grid(samples: Array) -> Array:
    return np.linspace(*np.quantile(samples, (0.001, 0.999)), 100)


def _densities(samples: Array, grid: Array) -> Array:
    """Kernel estimates on the grid, scaled so that Euclidean distances are those of L2."""
    cell = grid[1] - grid[0]
    width = 1.06 * samples.std(axis=1) * samples.shape[1] ** -0.2  # Scott's rule
    width = np.maximum(width, cell)[:, None, None]  # no narrower than the grid can show
    gaps = (grid[None, :, None] - samples[:, None, :]) / width  # [n, grid, m]
    return np.exp(-(gaps**2) / 2).mean(axis=2) / width[:, 0] / np.sqrt(2 * np.pi) * np.sqrt(cell)
