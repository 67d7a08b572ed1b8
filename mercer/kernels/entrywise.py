"""The entrywise (Schur) product of two operators that kernels return."""

from __future__ import annotations

import functools
import operator

from mercer.kernels.profile import combined
from mercer.operators import (
    Diagonal,
    EntrywiseProduct,
    Identity,
    KernelOperator,
    Operator,
    Scaled,
    Sum,
    Zero,
)
from mercer.operators.by_rows import ByRows


def entrywise_product(A: Operator, B: Operator) -> Operator:
    """``A_ij B_ij``, where the structures allow it without forming a matrix.

    Parameters
    ----------
    A, B : Operator, shape (*batch, n, m)
        Zeros, diagonals, kernel operators, functions of pairs, and sums and multiples of such.

    Returns
    -------
    Operator, shape (*batch, n, m)

    Raises
    ------
    NotImplementedError
        If the two structures have no product of a fast form.

    Examples
    --------
    >>> import torch
    >>> entrywise_product(Diagonal(torch.tensor([2.0, 3.0])), Identity(2)).diagonal()
    tensor([2., 3.])
    """
    for one, other in ((A, B), (B, A)):
        if isinstance(one, Zero):
            return one
        if isinstance(one, Sum):
            return functools.reduce(
                operator.add, [entrywise_product(part, other) for part in one.parts]
            )
        if isinstance(one, Diagonal | Identity):
            return Diagonal(one.diagonal() * other.diagonal())
        if isinstance(one, Scaled):
            return entrywise_product(one.operator, other) * one.factor
    if isinstance(A, KernelOperator) and isinstance(B, KernelOperator):
        return KernelOperator(
            combined(A.formula, B.formula, operator.mul),
            [*A.X, *B.X],
            [*A.Y, *B.Y],
            [*A.parameters, *B.parameters],
            precision=A.precision,
            tags=A.tags & B.tags,
        )
    if isinstance(A, ByRows) or isinstance(B, ByRows):
        return EntrywiseProduct(A, B)
    raise NotImplementedError(
        f"the entrywise product of a {type(A).__name__} and a {type(B).__name__} has no fast form"
    )
