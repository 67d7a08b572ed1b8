"""The preconditioner that conjugate gradients use when none is named."""

from __future__ import annotations

import torch

from mercer.linalg.circulant_preconditioner import CirculantPreconditioner
from mercer.linalg.jacobi_preconditioner import JacobiPreconditioner
from mercer.linalg.preconditioner import Preconditioner
from mercer.linalg.randomly_pivoted_cholesky import RandomlyPivotedCholesky
from mercer.linalg.shifted import split_shift
from mercer.operators.base import Operator
from mercer.operators.toeplitz import Toeplitz


def default_preconditioner(
    K: Operator, generator: torch.Generator | None = None
) -> tuple[Preconditioner, str]:
    """Return a preconditioner for the positive definite ``K`` and its name.

    Toeplitz takes the nearest circulant, a batch the diagonal, and all else randomly pivoted
    Cholesky.

    Parameters
    ----------
    K : Operator, shape (*batch, n, n)
        Positive definite.
    generator : torch.Generator, optional
        Source of the random pivots.

    Returns
    -------
    Preconditioner and str
        The object and what to call it.

    Examples
    --------
    >>> default_preconditioner(Toeplitz(torch.tensor([2.0, 1.0])))[1]
    'a circulant'
    """
    A, shift = split_shift(K)
    if isinstance(A, Toeplitz) and not A.batch and (shift is None or shift.ndim == 0):
        return CirculantPreconditioner(K), "a circulant"
    if K.batch:
        return JacobiPreconditioner(K), "the diagonal"
    return RandomlyPivotedCholesky(K, generator=generator), "randomly pivoted Cholesky"
