"""What the rows of each cluster sum to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Clusters:
    """Sufficient statistics of normal clusters.

    Parameters
    ----------
    counts : array, shape (k,)
        Rows in each; zero for an empty cluster.
    sums : array, shape (k, d)
        Of the rows.
    squares : array, shape (k, d) or (k, d, d)
        Of the squared coordinates, or of the outer products.

    Examples
    --------
    >>> Clusters.of(np.array([[1.0], [2.0], [5.0]]), np.array([0, 0, 1]), 2).sums.tolist()
    [[3.0], [5.0]]
    """

    counts: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, labels: np.ndarray, k: int, *, outer: bool = False) -> Clusters:
        """The statistics of ``k`` clusters of the rows of ``X``, ``[n, d]``."""
        d = X.shape[1]
        counts = np.bincount(labels, minlength=k).astype(float)
        sums = _sums_by_label(X, labels, k)
        products = (X[:, :, None] * X[:, None, :]).reshape(-1, d * d) if outer else X**2
        squares = _sums_by_label(products, labels, k)
        return cls(counts, sums, squares.reshape(k, d, d) if outer else squares)

    def move(self, x: np.ndarray, k: int, sign: int) -> None:
        """Add a row ``[d]`` to a cluster (``sign = 1``) or take it out (``-1``)."""
        self.counts[k] += sign
        self.sums[k] += sign * x
        self.squares[k] += sign * (np.outer(x, x) if self.squares.ndim == 3 else x**2)
        if self.counts[k] == 0:  # what rounding left
            self.sums[k], self.squares[k] = 0.0, 0.0

    def grown(self) -> Clusters:
        """The same with as many empty clusters again."""
        return Clusters(*(np.concatenate([v, np.zeros_like(v)]) for v in vars(self).values()))


def _sums_by_label(values: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    columns = [np.bincount(labels, weights=column, minlength=k) for column in values.T]
    return np.stack(columns, axis=1)
