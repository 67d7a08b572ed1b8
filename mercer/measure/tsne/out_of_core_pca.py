"""Principal components of a table that is never held in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mercer import checks
from mercer.learn import containers
from mercer.learn.estimator import Estimator
from mercer.learn.progress import Progress
from mercer.measure.tsne.blocks import Blocks


class OutOfCorePCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    r"""Randomised principal component analysis that reads a table in blocks of rows.

    With the centred table A and a Gaussian matrix G of ``n_components + oversampling`` columns,
    the components are sought in the Krylov space of :math:`G, A^T A G, (A^T A)^2 G, \ldots`; each
    power is a pass over the table. A last pass keeps the triangular factor R of A restricted to
    that space, updated block by block, whose singular values are those sought: no matrix with as
    many rows as the table is kept, and no square of A, whose small singular values would drown.
    Where the space would fill all columns, that last pass alone is exact.

    Parameters
    ----------
    n_components : int
        How many; at most the number of columns and of rows.
    oversampling : int, at least 0
        Further columns of G.
    powers : int, at least 0
        Passes over the table, beside one for the mean and one at the end.
    block_rows : int
        Rows read at once, where the table is not given in blocks.
    random_state : int, RandomState or None
        Of G.
    verbose : bool
        Whether to show progress.

    Attributes
    ----------
    components_ : array, shape (n_components, d)
        Principal axes, orthonormal; of each the largest entry is positive.
    explained_variance_, explained_variance_ratio_, singular_values_ : array, shape (n_components,)
        As in scikit-learn's ``PCA``.
    mean_ : array, shape (d,)
        Of each column.
    n_samples_ : int
        How many rows there were.
    n_features_in_
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> blocks = [np.array([[0.0, 0.0], [2.0, 2.0]]), np.array([[4.0, 4.0], [6.0, 6.1]])]
    >>> pca = OutOfCorePCA(1, random_state=0).fit(blocks)
    >>> pca.components_.round(2).tolist(), pca.transform(blocks).shape
    ([[0.7, 0.71]], (4, 1))

    References
    ----------
    N. Halko and others, "An algorithm for the principal component analysis of large data sets".
    https://arxiv.org/abs/1007.5510
    G. Linderman and others, "Efficient Algorithms for t-distributed Stochastic Neighborhood
    Embedding". https://arxiv.org/abs/1712.09005
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        oversampling: int = 10,
        powers: int = 4,
        block_rows: int = 4096,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.oversampling = oversampling
        self.powers = powers
        self.block_rows = block_rows
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> OutOfCorePCA:
        """Find the components.

        Parameters
        ----------
        X : array, DataFrame, Tensor, memory map, data set or iterable of blocks, shape (n, d)
            Finite, at least two rows; see :class:`Blocks`.
        y : None
            Ignored.

        Returns
        -------
        OutOfCorePCA
            The transformer itself.

        Raises
        ------
        TypeError, ValueError
            If ``X`` or a parameter is not as said.
        """
        k = checks.count("n_components", self.n_components)
        width = k + checks.count("oversampling", self.oversampling, least=0)
        powers = checks.count("powers", self.powers, least=0)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        blocks = Blocks(X, self, rows=self.block_rows, reset=True)
        with Progress(self.verbose, "out-of-core PCA") as progress:
            n, mean = _mean(blocks)
            d = len(mean)
            if n < 2:
                raise ValueError(f"X has 1 sample (n_samples={n}), OutOfCorePCA needs at least 2")
            if k > min(n, d):
                raise ValueError(
                    "n_components must be at most the number of rows and columns, "
                    f"{n} and {d}, got {k}"
                )
            progress({"iteration": 1, "of": powers + 2})
            basis = _basis(blocks, mean, width, powers, seed, progress)  # [d, r]
            R, total = _triangular_factor(blocks, mean, basis)
        _, S, Wt = torch.linalg.svd(R, full_matrices=False)
        components = (basis @ Wt.mT)[:, :k].mT  # [k, d]
        largest = components.abs().argmax(1, keepdim=True)
        components = components * components.gather(1, largest).sign()
        if len(S) < k:  # unreachable unless X has fewer rows in later passes than in the first
            raise ValueError("X gave other rows when it was gone through again")
        self.components_ = components.numpy()
        self.singular_values_ = S[:k].numpy()
        self.explained_variance_ = self.singular_values_**2 / (n - 1)
        self.explained_variance_ratio_ = self.singular_values_**2 / max(total, 1e-300)
        self.mean_ = mean.numpy()
        self.n_samples_ = n
        self._n_features_out = k
        return self

    def transform(self, X: Any) -> Any:
        """Scores of rows; only these are kept in memory.

        Parameters
        ----------
        X : as in :meth:`fit`
            The table.

        Returns
        -------
        array, DataFrame or Tensor, shape (n, n_components)
            Of the kind of ``X`` if that is a table in memory, else an array.
        """
        check_is_fitted(self)
        blocks = Blocks(X, self, rows=self.block_rows, reset=False)
        mean, axes = torch.from_numpy(self.mean_), torch.from_numpy(self.components_).mT
        scores = torch.cat([(block - mean) @ axes for block in blocks])
        return containers.give_back(scores, blocks.container, self._names())

    def inverse_transform(self, X: Any) -> Any:
        """The rows that scores ``X [n, n_components]`` stand for, as an array ``[n, d]``."""
        check_is_fitted(self)
        return np.asarray(X) @ self.components_ + self.mean_

    def _names(self) -> list[str]:
        return [str(name) for name in self.get_feature_names_out()]


def _mean(blocks: Blocks) -> tuple[int, Tensor]:
    """The number of rows and the mean of each column."""
    n, total = 0, torch.zeros(0, dtype=torch.float64)
    for block in blocks:
        total = block.sum(0) if n == 0 else total + block.sum(0)
        n += len(block)
    if n == 0:
        raise ValueError("X has 0 rows, OutOfCorePCA needs at least 2")
    return n, total / n


def _basis(
    blocks: Blocks, mean: Tensor, width: int, powers: int, seed: int, progress: Callable[..., None]
) -> Tensor:
    """An orthonormal basis of the Krylov space, ``[d, r]``; all columns where it has as many."""
    d = len(mean)
    if width * (powers + 1) >= d:
        return torch.eye(d, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    V = torch.randn(d, width, dtype=torch.float64, generator=generator)
    parts = [torch.linalg.qr(V).Q]
    for power in range(powers):
        W = torch.zeros_like(V)
        for block in blocks:
            A = block - mean
            W += A.mT @ (A @ parts[-1])
        parts.append(torch.linalg.qr(W).Q)
        progress({"iteration": power + 2, "of": powers + 2})
    return torch.linalg.qr(torch.cat(parts, 1)).Q


def _triangular_factor(blocks: Blocks, mean: Tensor, basis: Tensor) -> tuple[Tensor, float]:
    """R of the centred table times the basis, ``[r, r]``, and the table's sum of squares."""
    R = torch.zeros(0, basis.shape[1], dtype=torch.float64)
    total = 0.0
    for block in blocks:
        A = block - mean
        total += float(A.square().sum())
        R = torch.linalg.qr(torch.cat((R, A @ basis)), mode="r").R
    return R, total
