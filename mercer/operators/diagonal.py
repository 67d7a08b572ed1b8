"""A diagonal matrix."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, take_batch


class Diagonal(Operator):
    """The square matrix with a given diagonal.

    It is tagged ``psd`` when no value is negative (inside ``torch.func.vmap`` and ``torch.compile``
    the values cannot be looked at; pass the tag there).

    Parameters
    ----------
    values : Tensor, shape (*batch, n)
        The diagonal; any floating-point dtype.
    tags : iterable of str
        What is known besides, see :class:`Operator`.

    Examples
    --------
    >>> Diagonal(torch.tensor([1.0, 2.0])) @ torch.ones(2)
    tensor([1., 2.])
    """

    def __init__(self, values: Tensor, tags: Iterable[str] = ()) -> None:
        checks.floating("values", values)
        if values.ndim == 0:
            raise ValueError("values must have shape (*batch, n), got a single number")
        n = values.shape[-1]
        known = {"symmetric", "lower_triangular", "upper_triangular", *tags}
        if checks.concrete(values) and bool((values >= 0).all()):
            known.add("psd")
        super().__init__((*values.shape, n), values.dtype, values.device, known)
        self.values = values

    def _matmul(self, V: Tensor) -> Tensor:
        return self.values[..., None] * V

    def _adjoint(self) -> Diagonal:
        return self

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        picked = self.values[..., i]  # [*batch, *i.shape]
        return torch.where(i == j, picked, torch.zeros_like(picked))

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Operator:
        if isinstance(rows, slice) and isinstance(cols, slice) and rows == cols:
            return Diagonal(self.values[..., rows], self.tags - {"stochastic"})
        return super()._take(rows, cols)

    def _take_batch(self, keys: Keys) -> Diagonal:
        return Diagonal(take_batch(self.values, 1, self.batch, keys), self.tags)

    def dense(self) -> Tensor:
        """The matrix with ``values`` on its diagonal."""
        return torch.diag_embed(self.values)

    def diagonal(self) -> Tensor:
        """The stored values."""
        return self.values
