"""Kronecker products: work along one axis at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor

from mercer.linalg.shifted import split_shift
from mercer.operators.base import Operator
from mercer.operators.kronecker import Kronecker


def axis_by_axis(
    steps: Sequence[Callable[[Tensor], Tensor]], sizes: Sequence[int], B: Tensor
) -> Tensor:
    """Apply ``S_1 ⊗ ... ⊗ S_k`` to the columns of ``B``.

    Parameters
    ----------
    steps : sequence of callable
        ``S_i``: ``[*batch, n_i, c] -> [*batch, n_i, c]``, linear.
    sizes : sequence of int
        ``n_i``.
    B : Tensor, shape (*batch, n_1 ... n_k, c)
        Right-hand sides.

    Returns
    -------
    Tensor, shape (*batch, n_1 ... n_k, c)
        The batch may have grown by that of the steps.

    Examples
    --------
    >>> axis_by_axis([lambda V: 2 * V, lambda V: V.flip(-2)], [1, 2], torch.tensor([[1.0], [2.0]]))
    tensor([[4.],
            [2.]])
    """
    n, c = B.shape[-2:]
    for step, size in zip(steps, sizes):
        X = step(B.reshape(*B.shape[:-2], size, n // max(size, 1) * c))
        # The axis just done becomes the fastest, and the next one the slowest.
        X = X.reshape(*X.shape[:-2], size, n // max(size, 1), c).transpose(-3, -2)
        B = X.reshape(*X.shape[:-3], n, c)
    return B


def kronecker_plus_shift(K: Operator) -> bool:
    """Whether ``K`` is a symmetric Kronecker product plus a multiple of the identity."""
    A, shift = split_shift(K)
    return (
        isinstance(A, Kronecker)
        and shift is not None
        and shift.ndim == 0
        and all(not factor.tags.isdisjoint({"symmetric", "psd"}) for factor in A.factors)
    )


def kronecker_eigh(A: Operator) -> tuple[list[Tensor], Tensor]:
    """Return the eigenvectors of each factor and the eigenvalues of the product, unsorted.

    Parameters
    ----------
    A : Kronecker
        With symmetric factors.

    Returns
    -------
    list of Tensor and Tensor
        ``[*batch, n_i, n_i]`` for each factor and ``[*batch, n]``.

    Examples
    --------
    >>> from mercer.operators import Dense, Kronecker
    >>> A = Dense(torch.diag(torch.tensor([1.0, 2.0])), tags={"symmetric"})
    >>> kronecker_eigh(Kronecker(A, A))[1]
    tensor([1., 2., 2., 4.])
    """
    if not isinstance(A, Kronecker):
        raise TypeError(f"A must be a Kronecker product, got {type(A).__name__}")
    pairs = [torch.linalg.eigh(factor.dense()) for factor in A.factors]
    return [vectors for _, vectors in pairs], kronecker_values([values for values, _ in pairs])


def kronecker_values(values: Sequence[Tensor]) -> Tensor:
    """Return all products of one entry from each of ``values``, the first varying slowest."""
    return reduce(lambda a, b: (a[..., :, None] * b[..., None, :]).flatten(-2), values)
