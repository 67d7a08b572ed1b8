"""The matrix of a function of two points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mercer.operators.batch import Keys, broadcast_shapes, take_batch
from mercer.operators.by_rows import ByRows
from mercer.operators.selection import same, selected_tags, transposed_tags

CACHED = 1 << 17  # coordinates of pairs taken at once where no gradient is wanted

Function = Callable[[Tensor, Tensor, Sequence[Tensor]], Tensor]


class Pairwise(ByRows):
    """``K_ij = f(x_i, y_j; p)`` for any function, a block of rows at a time.

    For functions that are no profile of scores; else use ``KernelOperator``, which is faster.

    Parameters
    ----------
    function : callable
        ``(x, y, parameters) -> values``: points ``[*batch, *s, d]`` that broadcast against each
        other, parameters ``[*batch, *1]`` of as many axes as the values ``[*batch, *s]``.
        Symmetric in ``x`` and ``y``, and free of tensors of its own.
    X, Y : Tensor, shapes (*batch, n, d) and (*batch, m, d)
        The points, of any dtype. Where ``X is Y`` the operator is symmetric.
    parameters : sequence of Tensor, shapes (*batch)
        What the function depends on besides.
    dtype : torch.dtype
        Of the values.
    tags : iterable of str
        What is known besides, see :class:`Operator`.

    Examples
    --------
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> Pairwise(lambda x, y, p: (x - y).abs().sum(-1), x, x, dtype=x.dtype).dense()
    tensor([[0., 1.],
            [1., 0.]])
    """

    def __init__(
        self,
        function: Function,
        X: Tensor,
        Y: Tensor,
        parameters: Sequence[Tensor] = (),
        *,
        dtype: torch.dtype,
        tags: Any = (),
    ) -> None:
        batches = (X.shape[:-2], Y.shape[:-2], *(p.shape for p in parameters))
        shape = (*broadcast_shapes(*batches), X.shape[-2], Y.shape[-2])
        super().__init__(shape, dtype, X.device, {*tags, "symmetric"} if X is Y else tags)
        self.function, self.X, self.Y = function, X, Y
        self.parameters = list(parameters)

    def _values(self, x: Tensor, y: Tensor, axes: int) -> Tensor:
        parameters = [p[(..., *[None] * axes)] for p in self.parameters]
        return self.function(x, y, parameters).to(self.dtype)

    def _adjoint(self) -> Pairwise:
        tags = transposed_tags(self.tags)
        return Pairwise(self.function, self.Y, self.X, self.parameters, dtype=self.dtype, tags=tags)

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        values = self._values(self.X[..., i, :], self.Y[..., j, :], i.ndim)
        return values.expand(*self.batch, *i.shape)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Pairwise:
        tags, alike = selected_tags(self.tags, rows, cols), self.X is self.Y and same(rows, cols)
        X = self.X[..., rows, :]
        return self._of(X, X if alike else self.Y[..., cols, :], self.parameters, tags)

    def _take_batch(self, keys: Keys) -> Pairwise:
        X = take_batch(self.X, 2, self.batch, keys)
        Y = X if self.X is self.Y else take_batch(self.Y, 2, self.batch, keys)
        parameters = [take_batch(p, 0, self.batch, keys) for p in self.parameters]
        return self._of(X, Y, parameters, self.tags)

    def _of(self, X: Tensor, Y: Tensor, parameters: Sequence[Tensor], tags: Any) -> Pairwise:
        return Pairwise(self.function, X, Y, parameters, dtype=self.dtype, tags=tags)

    def dense(self) -> Tensor:
        """The matrix of all pairs."""
        if torch.is_grad_enabled() and any(
            t.requires_grad for t in (self.X, self.Y, *self.parameters)
        ):
            return self._rows(self.X)
        height = max(1, CACHED // max(1, self.batch.numel() * self.m * self.X.shape[-1]))
        return torch.cat([self._rows(x) for x in self.X.split(height, -2)], -2)

    def _rows(self, x: Tensor) -> Tensor:
        values = self._values(x[..., :, None, :], self.Y[..., None, :, :], 2)
        return values.expand(*self.batch, x.shape[-2], self.m)
