"""Dense factorisations that say what is wrong when they fail."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.errors import LinAlgError


def cholesky_factor(A: Tensor) -> Tensor:
    """Return the lower Cholesky factor of ``A``, ``[*batch, n, n]``; nothing is added to ``A``.

    Raises
    ------
    torch.linalg.LinAlgError
        If ``A`` is not positive definite in its precision; the smallest eigenvalue is named.

    Examples
    --------
    >>> cholesky_factor(torch.tensor([[4.0]]))
    tensor([[2.]])
    """
    L, info = torch.linalg.cholesky_ex(A)
    if checks.concrete(info) and info.any():
        smallest = float(torch.linalg.eigvalsh(A.detach())[..., 0].min())
        raise LinAlgError(
            f"the matrix is not positive definite in {_name(A)}: its smallest eigenvalue is "
            f"{smallest:.3g}; add noise to its diagonal (K + noise * Identity(n))"
            + (" or use float64" if A.dtype != torch.float64 else "")
        )
    return L


def lu_solve(A: Tensor, B: Tensor) -> Tensor:
    """Return ``A^{-1} B`` by LU with partial pivoting.

    Raises
    ------
    torch.linalg.LinAlgError
        If ``A`` is singular.

    Examples
    --------
    >>> lu_solve(torch.tensor([[0.0, 2.0], [1.0, 0.0]]), torch.tensor([[2.0], [3.0]])).squeeze()
    tensor([3., 1.])
    """
    # A batch of matrices times one [n, c] would be read as a batch of vectors where shapes agree.
    B = B.expand(*torch.broadcast_shapes(A.shape[:-2], B.shape[:-2]), *B.shape[-2:])
    X, info = torch.linalg.solve_ex(A, B)
    if checks.concrete(info) and info.any():
        pivot = int(info.flatten()[info.flatten() != 0][0])
        raise LinAlgError(f"the matrix is singular: pivot {pivot} of its LU factorisation is zero")
    return X


def _name(A: Tensor) -> str:
    return str(A.dtype).removeprefix("torch.")
