"""The zero matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import TAGS, Operator
from mercer.operators.batch import Keys, take_batch


class Zero(Operator):
    """The zero matrix of a given size.

    Parameters
    ----------
    n, m : int
        Rows and columns, at least 0; ``m`` is ``n`` by default.
    batch : tuple of int
        The batch shape.
    dtype : torch.dtype, optional
        ``torch.get_default_dtype()`` by default.
    device : torch.device, optional
        The CPU by default.

    Examples
    --------
    >>> Zero(2, 3) @ torch.ones(3)
    tensor([0., 0.])
    """

    def __init__(
        self,
        n: int,
        m: int | None = None,
        *,
        batch: tuple[int, ...] = (),
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        n = checks.count("n", n, least=0)
        m = n if m is None else checks.count("m", m, least=0)
        dtype = torch.get_default_dtype() if dtype is None else dtype
        if not dtype.is_floating_point:
            raise TypeError(f"dtype must be a floating-point type, got {dtype}")
        place = torch.device("cpu" if device is None else device)
        tags = {"lower_triangular", "upper_triangular"}
        if n == m:
            tags = set(TAGS) - {"stochastic"}
        super().__init__((*batch, n, m), dtype, place, tags)

    def _matmul(self, V: Tensor) -> Tensor:
        # A sum over no terms: zero, whatever V holds, and still part of the graph of V.
        return V.new_zeros(*self.batch, self.n, 0) @ V[..., :0, :]  # [*batch, n, c]

    def _adjoint(self) -> Zero:
        return Zero(self.m, self.n, batch=self.batch, dtype=self.dtype, device=self.device)

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return torch.zeros(*self.batch, *i.shape, dtype=self.dtype, device=self.device)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Zero:
        n = _length(rows, self.n)
        m = _length(cols, self.m)
        return Zero(n, m, batch=self.batch, dtype=self.dtype, device=self.device)

    def _take_batch(self, keys: Keys) -> Zero:
        batch = take_batch(torch.empty(self.batch), 0, self.batch, keys).shape
        return Zero(self.n, self.m, batch=batch, dtype=self.dtype, device=self.device)


def _length(index: Tensor | slice, size: int) -> int:
    return len(range(*index.indices(size))) if isinstance(index, slice) else index.shape[0]
