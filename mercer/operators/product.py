"""A product of operators."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from mercer.operators.base import TAGS, Operator, is_transpose
from mercer.operators.batch import Keys, broadcast_batch, take_batch
from mercer.operators.diagonal import Diagonal
from mercer.operators.identity import Identity
from mercer.operators.scaled import Scaled, identity_like, is_identity, scale
from mercer.operators.zero import Zero

# Elements of one temporary when single entries are asked for.
_ENTRIES_BUDGET = 2**22


class Product(Operator):
    """The product of operators; :func:`product` makes it and simplifies where it can.

    ``A @ M @ A.mT`` is seen to be symmetric, and ``psd`` where ``M`` is.

    Parameters
    ----------
    *parts : Operator
        At least one; neighbours fit, all have one dtype and device, batches broadcast.

    Examples
    --------
    >>> from mercer.operators.dense import Dense
    >>> A = Dense(torch.tensor([[1.0, 1.0]]))
    >>> Product(A, A.mT) @ torch.ones(1)
    tensor([2.])
    """

    def __init__(self, *parts: Operator) -> None:
        if not parts:
            raise ValueError("a product needs at least one operator, got none")
        for left, right in pairwise(parts):
            if left.m != right.n:
                raise ValueError(
                    f"the left operator has {left.m} columns, so the right one needs "
                    f"{left.m} rows, got {right.n}"
                )
        batch = broadcast_batch(parts, "factor")
        shape = (*batch, parts[0].n, parts[-1].m)
        super().__init__(shape, parts[0].dtype, parts[0].device, _tags(parts))
        self.parts = parts

    def _matmul(self, V: Tensor) -> Tensor:
        for part in reversed(self.parts):
            V = part._matmul(V)
        return V

    def _adjoint(self) -> Product:
        return Product(*(part.mT for part in reversed(self.parts)))

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        first, rest = self.parts[0], self.parts[1:]
        if not rest:
            return first._entries(i, j)
        right = rest[0] if len(rest) == 1 else Product(*rest)
        step = max(1, _ENTRIES_BUDGET // max(1, first.m))
        pieces = []
        for a, b in zip(i.flatten().split(step), j.flatten().split(step)):
            left_rows = first.rows(a)  # [*batch, step, k]
            right_columns = right.columns(b)  # [*batch, k, step]
            pieces.append((left_rows * right_columns.mT).sum(-1))
        entries = torch.cat(pieces, -1)
        return entries.reshape(*entries.shape[:-1], *i.shape).expand(*self.batch, *i.shape)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Operator:
        first, *middle, last = self.parts
        if not self.parts[1:]:
            return first._take(rows, cols)
        whole = slice(None)
        left, right = first._take(rows, whole), last._take(whole, cols)
        return Product(left, *middle, right)

    def _take_batch(self, keys: Keys) -> Product:
        return Product(*(take_batch(part, 2, self.batch, keys) for part in self.parts))

    def rows(self, index: Tensor) -> Tensor:
        """The rows in ``index``, by products from the left."""
        R = self.parts[0].rows(index)  # [*batch, len(index), k]
        for part in self.parts[1:]:
            R = part.mT._matmul(R.mT).mT
        return R.expand(*self.batch, *R.shape[-2:])

    def columns(self, index: Tensor) -> Tensor:
        """The columns in ``index``, by products from the right."""
        C = self.parts[-1].columns(index)  # [*batch, k, len(index)]
        for part in reversed(self.parts[:-1]):
            C = part._matmul(C)
        return C.expand(*self.batch, *C.shape[-2:])

    def dense(self) -> Tensor:
        """The matrix, by products from the right onto the last factor."""
        C = self.parts[-1].dense()
        for part in reversed(self.parts[:-1]):
            C = part._matmul(C)
        return C


def product(A: Operator, B: Operator) -> Operator:
    """Return ``A @ B`` in its simplest form.

    Products are flattened, numbers move to the front, identities drop out, neighbouring diagonals
    merge, and a product with :class:`Zero` is :class:`Zero`.

    Parameters
    ----------
    A : Operator, shape (*batch, n, k)
    B : Operator, shape (*batch, k, m)

    Returns
    -------
    Operator
        Of shape ``(*batch, n, m)``.

    Raises
    ------
    TypeError, ValueError
        If dtype or device differ, ``k`` does not fit, or the batches do not broadcast.

    Examples
    --------
    >>> product(Diagonal(torch.tensor([1.0, 2.0])), Diagonal(torch.tensor([3.0, 4.0]))).diagonal()
    tensor([3., 8.])
    """
    if is_identity(A):
        A = identity_like(A, B)
    elif is_identity(B):
        B = identity_like(B, A)
    whole = Product(A, B)
    A, a = _stripped(A)
    B, b = _stripped(B)
    if isinstance(A, Zero) or isinstance(B, Zero):
        return Zero(whole.n, whole.m, batch=whole.batch, dtype=whole.dtype, device=whole.device)
    return scale(scale(_joined(A, B), a), b)


def _stripped(A: Operator) -> tuple[Operator, float | Tensor]:
    return (A.operator, A.factor) if isinstance(A, Scaled) else (A, 1.0)


def _joined(A: Operator, B: Operator) -> Operator:
    if isinstance(A, Identity):
        return B
    if isinstance(B, Identity):
        return A
    left = list(A.parts) if isinstance(A, Product) else [A]
    right = list(B.parts) if isinstance(B, Product) else [B]
    if isinstance(left[-1], Diagonal) and isinstance(right[0], Diagonal):
        right[0] = Diagonal(left.pop().diagonal() * right[0].diagonal())
    parts = left + right
    return parts[0] if len(parts) == 1 else Product(*parts)


def _tags(parts: tuple[Operator, ...]) -> set[str]:
    tags = set(TAGS).intersection(*(part.tags for part in parts))
    if len(parts) > 1:
        tags -= {"symmetric", "psd"}
    if not all(part.is_square for part in parts):
        tags -= {"lower_triangular", "upper_triangular"}
    half = len(parts) // 2
    if all(is_transpose(parts[k], parts[-1 - k]) for k in range(half)):
        middle = parts[half].tags if len(parts) % 2 else {"symmetric", "psd"}
        tags |= {"symmetric", "psd"} & middle
    return tags
