"""The base kernel of semi-supervised learning, on the points of a sample and at new ones."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.kernels import Kernel
from mercer.operators import Diagonal, Sparse
from mercer.operators.base import Operator

DISTANCES = 2**22  # entries of one block of distances


class Similarity:
    r"""A positive semidefinite kernel, normalised by its means over the sample.

    With :math:`d(x) = \tfrac1N \sum_j k(x, x_j)`, the normalised kernel is
    :math:`k(x, x') / \sqrt{d(x)\, d(x')}`; the largest eigenvalue of its Gram matrix over ``N``
    is 1.

    Parameters
    ----------
    points : Tensor, shape (N, d)
        The sample, labelled or not.
    kernel : Kernel, optional
        None for shared neighbours: how many of their ``neighbours`` nearest points of the sample
        two points have in common. It is an inner product of indicators, so it is positive
        semidefinite, and its matrix is sparse.
    neighbours : int
        Of that kernel; cut to ``N``.
    normalised : bool
        Whether to normalise.

    Raises
    ------
    ValueError
        If a mean is not positive, so that it cannot be divided by.

    Examples
    --------
    >>> X = torch.tensor([[0.0], [1.0], [5.0]])
    >>> Similarity(X, None, neighbours=2, normalised=False).operator().dense()
    tensor([[2., 2., 1.],
            [2., 2., 1.],
            [1., 1., 2.]])
    """

    def __init__(
        self, points: Tensor, kernel: Kernel | None, *, neighbours: int, normalised: bool
    ) -> None:
        self.points, self.kernel = points, kernel
        self.neighbours = min(neighbours, len(points))
        self.normalised = normalised
        if kernel is None:
            self._features = neighbour_indicators(points, points, self.neighbours)
        if normalised:
            self._root = self._inverse_roots(self._plain(None))

    def operator(self) -> Operator:
        """The Gram matrix of the sample, ``[N, N]``."""
        K = self._plain(None)
        return self._root @ K @ self._root if self.normalised else K

    def cross(self, X: Tensor) -> Operator:
        """``k(X, points)``, ``[n, N]``."""
        K = self._plain(X)
        return self._inverse_roots(K) @ K @ self._root if self.normalised else K

    def _plain(self, X: Tensor | None) -> Operator:
        if self.kernel is not None:
            return self.kernel(self.points if X is None else X, None if X is None else self.points)
        A = self._features
        B = A if X is None else neighbour_indicators(X, self.points, self.neighbours)
        return B @ A.mT

    def _inverse_roots(self, K: Operator) -> Diagonal:
        means = K @ torch.ones(K.m, dtype=K.dtype, device=K.device) / K.m  # [n]
        if not bool((means > 0).all()):
            row = int((~(means > 0)).nonzero()[0, 0])
            raise ValueError(
                f"kernel has the mean {float(means[row]):g} over the sample at row {row}, which "
                "must be positive; take a larger lengthscale, a kernel of positive values, or "
                "normalised=False"
            )
        return Diagonal(means.rsqrt())


def neighbour_indicators(X: Tensor, points: Tensor, count: int) -> Sparse:
    """Return which ``count`` of the points are nearest to each row of ``X``, as ones.

    Parameters
    ----------
    X : Tensor, shape (n, d)
    points : Tensor, shape (N, d)
    count : int

    Returns
    -------
    Sparse, shape (n, N)

    Examples
    --------
    >>> points = torch.tensor([[0.0], [1.0], [5.0]])
    >>> neighbour_indicators(torch.tensor([[4.0]]), points, 2).dense()
    tensor([[0., 1., 1.]])
    """
    centre = points.mean(dim=0)  # distances lose less to rounding near the origin
    points = points - centre
    blocks = (X - centre).split(max(1, DISTANCES // len(points)))
    nearest = [torch.cdist(block, points).topk(count, largest=False).indices for block in blocks]
    columns = torch.cat(nearest)  # [n, count]
    rows = torch.arange(len(X), device=X.device)[:, None].expand_as(columns)
    indices = torch.stack([rows.flatten(), columns.flatten()])
    return Sparse(indices, X.new_ones(indices.shape[1]), (len(X), len(points)))
