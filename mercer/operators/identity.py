"""The identity matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import TAGS, Operator


class Identity(Operator):
    """The identity of a given size.

    In a sum or a product with another operator it takes the dtype and device of that operator, so
    ``K + noise * Identity(n)`` never converts ``K``.

    Parameters
    ----------
    n : int
        Number of rows and of columns, at least 0.
    dtype : torch.dtype, optional
        ``torch.get_default_dtype()`` by default.
    device : torch.device, optional
        The CPU by default.

    Examples
    --------
    >>> (0.5 * Identity(2)).dense()
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    """

    def __init__(
        self,
        n: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        n = checks.count("n", n, least=0)
        dtype = torch.get_default_dtype() if dtype is None else dtype
        if not dtype.is_floating_point:
            raise TypeError(f"dtype must be a floating-point type, got {dtype}")
        place = torch.device("cpu" if device is None else device)
        super().__init__((n, n), dtype, place, TAGS)

    def _matmul(self, V: Tensor) -> Tensor:
        return V.clone()

    def _adjoint(self) -> Identity:
        return self

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return (i == j).to(self.dtype)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Operator:
        if isinstance(rows, slice) and isinstance(cols, slice) and rows == cols:
            size = len(range(*rows.indices(self.n)))
            return Identity(size, self.dtype, self.device)
        return super()._take(rows, cols)

    def dense(self) -> Tensor:
        """The identity matrix, ``[n, n]``."""
        return torch.eye(self.n, dtype=self.dtype, device=self.device)

    def diagonal(self) -> Tensor:
        """Ones, ``[n]``."""
        return torch.ones(self.n, dtype=self.dtype, device=self.device)
