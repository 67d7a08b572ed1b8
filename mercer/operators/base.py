"""The operator: a linear map known by what it does to a vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer import checks

TAGS = frozenset({"symmetric", "psd", "stochastic", "lower_triangular", "upper_triangular"})


class Operator:
    """A real matrix that is applied, not stored.

    A subclass sets ``shape``, ``dtype``, ``device`` and ``tags`` through ``__init__`` and writes
    three methods: ``_matmul(V)``, ``_adjoint()`` and ``_entries(i, j)``. Everything else follows.

    Parameters
    ----------
    shape : torch.Size
        ``(*batch, n, m)``.
    dtype : torch.dtype
        A floating-point type; operands must have the same one.
    device : torch.device
        Where the operator's tensors live.
    tags : iterable of str
        What is known: ``symmetric``, ``psd`` (which implies ``symmetric``), ``stochastic``,
        ``lower_triangular``, ``upper_triangular``. Algorithms believe them.
    """

    shape: torch.Size
    dtype: torch.dtype
    device: torch.device
    tags: frozenset[str]
    _transposed: Operator | None = None

    # numpy and torch must let ``array @ operator`` and ``2.0 * operator`` come to us.
    __array_ufunc__ = None

    def __init__(
        self,
        shape: torch.Size | tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device,
        tags: Any = (),
    ) -> None:
        self.shape = torch.Size(shape)
        self.dtype = dtype
        self.device = device
        self.tags = frozenset(tags)
        if "psd" in self.tags:
            self.tags |= {"symmetric"}
        if unknown := self.tags - TAGS:
            raise ValueError(f"tags must be among {sorted(TAGS)}, got {sorted(unknown)}")
        if len(self.shape) < 2:
            raise ValueError(f"an operator has a shape (*batch, n, m), got {tuple(self.shape)}")

    # -- the three methods a structure writes -------------------------------------------------

    def _matmul(self, V: Tensor) -> Tensor:
        """``[*batch, m, c] -> [*batch, n, c]``; the batches of operator and ``V`` broadcast."""
        raise NotImplementedError(f"{type(self).__name__} must define _matmul")

    def _adjoint(self) -> Operator:
        raise NotImplementedError(f"{type(self).__name__} must define _adjoint")

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        """Entries at rows ``i`` and columns ``j``, of one shape: ``[*batch, *i.shape]``."""
        raise NotImplementedError(f"{type(self).__name__} must define _entries")

    # -- what a structure may write besides, where it can do better ---------------------------

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Operator:
        """The operator on the given rows and columns: index vectors, or slices of positive step."""
        from mercer.operators.permuted import Permuted

        return Permuted(self, rows, cols)

    def _take_batch(self, keys: tuple[int | slice | Tensor, ...]) -> Operator:
        """The operator on part of the batch; one key for each batch axis, applied one by one."""
        raise NotImplementedError(
            f"{type(self).__name__} must define _take_batch to be indexed along its batch"
        )

    # -- what follows from them ---------------------------------------------------------------

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.shape[-2]

    @property
    def m(self) -> int:
        """Number of columns."""
        return self.shape[-1]

    @property
    def batch(self) -> torch.Size:
        """The batch part of the shape."""
        return self.shape[:-2]

    @property
    def is_square(self) -> bool:
        """Whether there are as many rows as columns."""
        return self.n == self.m

    @property
    def mT(self) -> Operator:
        """The transpose of the last two dimensions."""
        if "symmetric" in self.tags:
            return self
        if self._transposed is not None:
            return self._transposed
        adjoint = self._adjoint()
        # A transpose knows what it came from, so that A @ A.mT is seen to be symmetric.
        adjoint._transposed = self
        return adjoint

    def dense(self) -> Tensor:
        """The matrix itself, ``[*batch, n, m]``: the oracle of every fast path."""
        return self._matmul(torch.eye(self.m, dtype=self.dtype, device=self.device))

    def diagonal(self) -> Tensor:
        """The main diagonal, ``[*batch, min(n, m)]``."""
        i = torch.arange(min(self.n, self.m), device=self.device)
        return self._entries(i, i)

    def rows(self, index: Tensor) -> Tensor:
        """The rows in ``index`` as a dense ``[*batch, len(index), m]``."""
        j = torch.arange(self.m, device=self.device)
        i, j = torch.broadcast_tensors(index[:, None], j)
        return self._entries(i, j)

    def columns(self, index: Tensor) -> Tensor:
        """The columns in ``index`` as a dense ``[*batch, n, len(index)]``."""
        i = torch.arange(self.n, device=self.device)
        i, j = torch.broadcast_tensors(i[:, None], index)
        return self._entries(i, j)

    def matmul(self, other: Any) -> Any:
        """``self @ other``, under a name that ``torch.compile(fullgraph=True)`` can follow."""
        from mercer.operators.product import product

        if isinstance(other, Operator):
            return product(self, other)
        if not isinstance(other, Tensor):
            raise TypeError(
                f"an operator multiplies a torch.Tensor or an operator, got {type(other).__name__}"
            )
        checks.alike("the right-hand side", other, "the operator", self)
        vector = other.ndim == 1
        V = other[:, None] if vector else other
        if V.ndim == 0 or V.shape[-2] != self.m:
            raise ValueError(
                f"the operator has {self.m} columns, so the right-hand side needs {self.m} rows; "
                f"got shape {tuple(other.shape)}"
            )
        out = self._matmul(V)
        return out.squeeze(-1) if vector else out

    __matmul__ = matmul

    def __rmatmul__(self, other: Tensor) -> Tensor:
        if other.ndim == 1:
            return self.mT @ other
        return (self.mT @ other.mT).mT

    def __add__(self, other: Any) -> Operator:
        from mercer.operators.sum import add

        return add(self, as_operator(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Operator:
        return self + (-as_operator(other))

    def __rsub__(self, other: Any) -> Operator:
        return as_operator(other) + (-self)

    def __neg__(self) -> Operator:
        return self * -1.0

    def __mul__(self, other: float | Tensor) -> Operator:
        from mercer.operators.scaled import scale

        if isinstance(other, Operator):
            raise TypeError("use A @ B for the product of operators; * takes a number")
        return scale(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: float | Tensor) -> Operator:
        return self * (1.0 / other)

    def kron(self, other: Operator) -> Operator:
        """The Kronecker product of this operator and ``other``."""
        from mercer.operators.kronecker import Kronecker

        return Kronecker(self, other)

    def __getitem__(self, key: Any) -> Any:
        from mercer.operators.permuted import take

        return take(self, key)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.shape))
        tags = f", {', '.join(sorted(self.tags))}" if self.tags else ""
        return f"{type(self).__name__}({shape}, {str(self.dtype).removeprefix('torch.')}{tags})"


def as_operator(value: Any) -> Operator:
    """Return an operator as it is and a matrix as ``Dense``."""
    from mercer.operators.dense import Dense

    if isinstance(value, Operator):
        return value
    if isinstance(value, Tensor):
        return Dense(value)
    raise TypeError(f"expected an operator or a torch.Tensor matrix, got {type(value).__name__}")


def is_transpose(A: Operator, B: Operator) -> bool:
    """Whether one operator is known to be the transpose of the other."""
    if A is B:
        return "symmetric" in A.tags
    return A._transposed is B or B._transposed is A
