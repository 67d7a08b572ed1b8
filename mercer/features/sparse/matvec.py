"""One product with a Gaussian kernel matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.features.sparse.sparse_gaussian import SparseGaussian


def gaussian_matvec(
    queries: Tensor,
    keys: Tensor,
    x: Tensor,
    lengthscale: float | Tensor,
    *,
    error: float,
    failure_probability: float = 0.1,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Estimate ``K x`` for one vector, columns sampled by what they weigh in it.

    With probability ``1 - failure_probability``, :math:`\|K x - y\| \leq \epsilon \|x\|`. It is
    :class:`SparseGaussian` with ``vector=x``; use that without a vector for many products.

    Parameters
    ----------
    queries, keys : Tensor, shapes (n, d) and (m, d)
        Points, one a row; float32 or float64.
    x : Tensor, shape (m,)
        Of any signs.
    lengthscale : float or Tensor
        In the units of the points; positive.
    error : float
        ``epsilon``, positive.
    failure_probability : float
        In (0, 1).
    generator : torch.Generator, optional
        Seeded with 0 by default.

    Returns
    -------
    Tensor, shape (n,)
        ``y``.

    Raises
    ------
    TypeError, ValueError
        If an argument is outside of its domain.

    References
    ----------
    P. Indyk, M. Kapralov, K. Sheth, T. Wagner, Improved Algorithms for Kernel Matrix-Vector
    Multiplication Under Sparsity Assumptions. https://arxiv.org/abs/2507.23539

    Examples
    --------
    >>> points = torch.tensor([[0.0], [1.0]])
    >>> gaussian_matvec(points, points, torch.tensor([1.0, -1.0]), 1.0, error=0.1)
    tensor([ 0.3935, -0.3935])
    """
    K = SparseGaussian(
        queries,
        keys,
        lengthscale,
        error=error,
        failure_probability=failure_probability,
        vector=x,
        generator=generator,
    )
    return K @ x
