"""Banded systems in LAPACK band storage, on the CPU."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from mercer.linalg.errors import LinAlgError
from mercer.operators.banded import Banded
from mercer.operators.base import Operator


def band_storage(K: Banded) -> tuple[np.ndarray, int, int]:
    """Return ``ab`` with ``ab[u + i - j, j] = K[i, j]``, and the numbers of bands below and above.

    Examples
    --------
    >>> band_storage(Banded(torch.tensor([[1.0, 2.0]]), [0]))
    (array([[1., 2.]], dtype=float32), 0, 0)
    """
    below, above = max(0, -min(K.offsets)), max(0, *K.offsets, 0)
    ab = np.zeros((below + above + 1, K.m), dtype=K.diagonals.detach().numpy().dtype)
    for values, offset in zip(K.diagonals.detach().numpy(), K.offsets):
        ab[above - offset] = values
    return ab, below, above


def banded_solve(K: Operator, B: Tensor) -> Tensor:
    """Solve by LU with partial pivoting inside the band; sees no graph.

    Parameters
    ----------
    K : Banded, shape (n, n)
        On the CPU, without batch.
    B : Tensor, shape (n, c)
        Right-hand sides.

    Returns
    -------
    Tensor, shape (n, c)
        The solution.

    Raises
    ------
    torch.linalg.LinAlgError
        If ``K`` is singular.

    Examples
    --------
    >>> banded_solve(Banded(torch.tensor([[1.0, 2.0]]), [0]), torch.tensor([[1.0], [1.0]]))
    tensor([[1.0000],
            [0.5000]])
    """
    if not isinstance(K, Banded):
        raise TypeError(f"K must be Banded, got {type(K).__name__}")
    ab, below, above = band_storage(K)
    if B.shape[-1] == 0:
        return torch.zeros_like(B)
    try:
        X = scipy.linalg.solve_banded((below, above), ab, B.detach().numpy())
    except np.linalg.LinAlgError as error:
        raise LinAlgError("the banded matrix is singular") from error
    return torch.from_numpy(np.ascontiguousarray(X))


def banded_cholesky(K: Banded) -> Tensor:
    """Return the bands of the lower Cholesky factor, ``[below + 1, n]``, the main one first.

    Raises
    ------
    torch.linalg.LinAlgError
        If ``K`` is not positive definite.

    Examples
    --------
    >>> banded_cholesky(Banded(torch.tensor([[4.0, 9.0]]), [0]))
    tensor([[2., 3.]])
    """
    ab, below, above = band_storage(K)
    lower = ab[above : above + below + 1]
    try:
        L = scipy.linalg.cholesky_banded(lower, lower=True)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(
            "the banded matrix is not positive definite; add noise to its diagonal "
            "(K + noise * Identity(n))"
        ) from error
    return torch.from_numpy(np.ascontiguousarray(L))
