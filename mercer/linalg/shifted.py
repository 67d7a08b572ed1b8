"""A positive semidefinite operator and the diagonal that is added to it."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.diagonal import Diagonal
from mercer.operators.identity import Identity
from mercer.operators.scaled import Scaled
from mercer.operators.sum import Sum


def split_shift(K: Operator) -> tuple[Operator, Tensor | None]:
    """Split ``K = A + D`` into ``A`` and the diagonal ``D``, which a sum keeps as its last part.

    Parameters
    ----------
    K : Operator, shape (*batch, n, n)
        Any operator; only a :class:`Sum` is split.

    Returns
    -------
    A : Operator
        What is left of ``K``.
    D : Tensor, shape (*batch) or (*batch, n), or None
        One number where ``D`` is a multiple of the identity, else the diagonal; None without one.

    Examples
    --------
    >>> from mercer.operators import Dense, Identity
    >>> split_shift(Dense(torch.ones(2, 2)) + 3.0 * Identity(2))[1]
    tensor(3.)
    """
    if not isinstance(K, Sum) or len(K.parts) < 2:
        return K, None
    shift = diagonal_of(K.parts[-1])
    if shift is None:
        return K, None
    rest = K.parts[:-1]
    return (rest[0] if len(rest) == 1 else Sum(*rest)), shift


def diagonal_of(part: Operator) -> Tensor | None:
    """Return one number for a multiple of the identity, the values of a diagonal, else None."""
    if isinstance(part, Diagonal):
        return part.values
    if isinstance(part, Identity):
        return torch.ones((), dtype=part.dtype, device=part.device)
    if isinstance(part, Scaled) and isinstance(part.operator, Identity):
        return torch.as_tensor(part.factor, dtype=part.dtype, device=part.device)
    return None


def dense_with_shift(K: Operator) -> Tensor:
    """Return ``K.dense()``; a number times the identity is added in place, not as a matrix."""
    if not isinstance(K, Sum) or len(K.parts) != 2 or K.batch != K.parts[0].batch:
        return K.dense()
    number: float | Tensor = 1.0
    last = K.parts[1]
    if isinstance(last, Scaled):
        number, last = last.factor, last.operator
    if isinstance(number, Tensor) or not isinstance(last, Identity):
        return K.dense()
    matrix = K.parts[0].dense().clone()
    torch.diagonal(matrix, dim1=-2, dim2=-1).add_(number)
    return matrix


def positive_shift(A: Operator, shift: float | Tensor | None, remainder: Tensor) -> Tensor:
    """Return the diagonal of a preconditioner: ``shift``, or the mean of ``remainder`` without one.

    A remainder of zero is raised to the rounding error of the mean diagonal of ``A``.
    """
    if shift is not None:
        shift = torch.as_tensor(shift, dtype=A.dtype, device=A.device).detach()
        return checks.positive("noise", shift)
    rounding = torch.finfo(A.dtype).eps * A.diagonal().detach().abs().mean()
    tiny = torch.finfo(A.dtype).tiny
    return torch.maximum(remainder.mean(), rounding).clamp_min(tiny)
