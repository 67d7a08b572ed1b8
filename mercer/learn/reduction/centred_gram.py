"""The spectrum of a centred Gram matrix, whole or of a low-rank approximation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.linalg import eigh
from mercer.linalg.randomly_pivoted_cholesky import partial_cholesky
from mercer.operators import Dense


class CentredGram(NamedTuple):
    r"""``Q K Q = U diag(values) U^T``, with :math:`Q = I - 1 1^T / n`, and how to extend it.

    ``U`` spans the functions of the reproducing kernel space on the sample, each with mean zero. On
    new points the function with coordinates ``a`` is, up to a constant,
    ``k(x, points) @ extension @ (a / values)``.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> x = torch.tensor([[0.0], [1.0], [2.0]])
    >>> gram = centred_gram(RBF(), x)
    >>> bool(gram.vectors.sum(dim=0).abs().max() < 1e-6)
    True
    """

    values: Tensor  # [r] descending, positive
    vectors: Tensor  # [n, r]
    points: Tensor  # [p, q]
    extension: Tensor  # [p, r]

    def shrinkage(self, regularisation: float) -> Tensor:
        """Eigenvalues of ``(G + eta I)^-1 G``, ``eta = regularisation * values[0]``: ``[r]``."""
        return self.values / (self.values + regularisation * self.values[0])


def centred_gram(kernel: Kernel, X: Tensor) -> CentredGram:
    """Decompose the Gram matrix of all points: ``n^2`` numbers and ``n^3`` operations.

    Parameters
    ----------
    kernel : Kernel
        Any.
    X : Tensor, shape (n, q)
        Points.

    Returns
    -------
    CentredGram
        The eigenvalues that are not rounding errors, and their vectors.
    """
    K = kernel(X).dense()  # [n, n]
    K = K - K.mean(dim=0) - K.mean(dim=1, keepdim=True) + K.mean()
    values, vectors = eigh(Dense(K, tags={"symmetric", "psd"}), method="dense")
    values, vectors = values.flip(0), vectors.flip(1)
    kept = values > len(X) * torch.finfo(X.dtype).eps * values[0]
    # K U = U values up to a constant in each column, so that U extends itself.
    return CentredGram(values[kept], vectors[:, kept], X, vectors[:, kept])


def nystrom_gram(
    kernel: Kernel, X: Tensor, landmarks: int, generator: torch.Generator | None = None
) -> CentredGram:
    """Decompose the approximation of the Gram matrix by columns at randomly pivoted landmarks.

    Parameters
    ----------
    kernel : Kernel
        Any.
    X : Tensor, shape (n, q)
        Points.
    landmarks : int, at least 1
        Number of columns ``p``: ``n p`` numbers and ``n p^2`` operations.
    generator : torch.Generator, optional
        Of the pivots; by default one seeded with 0.

    Returns
    -------
    CentredGram
    """
    found = partial_cholesky(kernel(X), checks.count("landmarks", landmarks), generator=generator)
    F = found.factor  # [n, p], K(X, Z) L^-T with L = F at the pivots
    U, S, Vh = torch.linalg.svd(F - F.mean(dim=0), full_matrices=False)
    kept = len(X) * torch.finfo(X.dtype).eps * S[0] < S
    L = F[found.pivots]
    to_features = torch.linalg.solve_triangular(L.mT, Vh.mT[:, kept] * S[kept], upper=True)
    return CentredGram(S[kept].square(), U[:, kept], X[found.pivots], to_features)
