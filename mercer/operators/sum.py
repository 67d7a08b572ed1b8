"""A sum of operators."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor

from mercer.operators.base import Operator
from mercer.operators.batch import Keys, broadcast_batch, take_batch
from mercer.operators.dense import Dense
from mercer.operators.diagonal import Diagonal
from mercer.operators.scaled import Scaled, identity_like, is_identity, scale
from mercer.operators.zero import Zero


class Sum(Operator):
    """The sum of operators of one size; :func:`add` makes it and simplifies where it can.

    Parameters
    ----------
    *parts : Operator
        At least one; all of one ``n``, ``m``, dtype and device, with batches that broadcast.

    Examples
    --------
    >>> from mercer.operators.identity import Identity
    >>> from mercer.operators.low_rank import LowRank
    >>> Sum(LowRank(torch.ones(2, 1)), Identity(2)).dense()
    tensor([[2., 1.],
            [1., 2.]])
    """

    def __init__(self, *parts: Operator) -> None:
        if not parts:
            raise ValueError("a sum needs at least one operator, got none")
        for part in parts:
            if part.shape[-2:] != parts[0].shape[-2:]:
                raise ValueError(
                    "operators in a sum must have the same rows and columns, got "
                    f"{parts[0].n} x {parts[0].m} and {part.n} x {part.m}"
                )
        batch = broadcast_batch(parts)
        kept = {"symmetric", "psd", "lower_triangular", "upper_triangular"}
        tags = reduce(frozenset.intersection, (part.tags for part in parts)) & kept
        first = parts[0]
        super().__init__((*batch, first.n, first.m), first.dtype, first.device, tags)
        self.parts = parts

    def _matmul(self, V: Tensor) -> Tensor:
        return _total(part._matmul(V) for part in self.parts)

    def _adjoint(self) -> Sum:
        return Sum(*(part.mT for part in self.parts))

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return _total(part._entries(i, j) for part in self.parts)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Operator:
        return reduce(add, (part._take(rows, cols) for part in self.parts))

    def _take_batch(self, keys: Keys) -> Operator:
        return reduce(add, (take_batch(part, 2, self.batch, keys) for part in self.parts))

    def dense(self) -> Tensor:
        """The sum of the dense matrices."""
        return _total(part.dense() for part in self.parts)

    def diagonal(self) -> Tensor:
        """The sum of the diagonals."""
        return _total(part.diagonal() for part in self.parts)


def add(A: Operator, B: Operator) -> Operator:
    """Return ``A + B`` in its simplest form.

    Sums are flattened. Stored matrices merge into one :class:`Dense`; diagonals and multiples of
    the identity merge into one part, which comes last; zeros drop out. A multiple of
    :class:`Identity` takes the dtype and device of what it is added to.

    Parameters
    ----------
    A, B : Operator
        Of one ``n`` and ``m``; batches broadcast.

    Returns
    -------
    Operator
        Of shape ``(*batch, n, m)``.

    Raises
    ------
    TypeError, ValueError
        If dtype, device, rows or columns differ, or the batches do not broadcast.

    Examples
    --------
    >>> add(Diagonal(torch.ones(2)), Diagonal(torch.ones(2))).diagonal()
    tensor([2., 2.])
    """
    A, B = _adapted(A, B)
    whole = Sum(A, B)
    parts = [*_parts(A), *_parts(B)]
    stored = [part for part in parts if isinstance(part, Dense)]
    diagonals = [part for part in parts if isinstance(part, Diagonal) or is_identity(part)]
    others = [part for part in parts if part not in stored and part not in diagonals]
    merged = [part for part in others if not isinstance(part, Zero)]
    if stored:
        merged.append(stored[0] if len(stored) == 1 else _add_dense(*stored))
    if diagonals:
        merged.append(reduce(_add_diagonal, diagonals))
    if not merged or broadcast_batch(merged) != whole.batch:
        # A zero that widens the batch must stay.
        zero = Zero(whole.n, whole.m, batch=whole.batch, dtype=whole.dtype, device=whole.device)
        merged.append(zero)
    return merged[0] if len(merged) == 1 else Sum(*merged)


def _adapted(A: Operator, B: Operator) -> tuple[Operator, Operator]:
    """Give a multiple of the identity the dtype and device of the other operand.

    Of two multiples of the identity, the narrower takes the wider dtype.
    """
    if A.dtype == B.dtype and A.device == B.device:
        return A, B
    if is_identity(A) and is_identity(B) and A.device == B.device:
        wide = torch.empty(0, dtype=torch.promote_types(A.dtype, B.dtype), device=A.device)
        return identity_like(A, wide), identity_like(B, wide)
    if is_identity(B):
        return A, identity_like(B, A)
    return (identity_like(A, B), B) if is_identity(A) else (A, B)


def _parts(A: Operator) -> tuple[Operator, ...]:
    return A.parts if isinstance(A, Sum) else (A,)


def _add_dense(*parts: Dense) -> Dense:
    both = Sum(*parts)
    return Dense(both.dense(), both.tags)


def _add_diagonal(A: Operator, B: Operator) -> Operator:
    if is_identity(A) and is_identity(B):
        identity = A.operator if isinstance(A, Scaled) else A
        return scale(identity, _factor(A) + _factor(B))
    both = Sum(A, B)
    return Diagonal(both.diagonal(), both.tags)


def _factor(A: Operator) -> float | Tensor:
    return A.factor if isinstance(A, Scaled) else 1.0


def _total(terms: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, terms)
