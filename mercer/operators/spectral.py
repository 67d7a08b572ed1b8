"""Matrices that one fast transform diagonalises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import torch
from torch import Tensor

from mercer import checks
from mercer.engine import HALF
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, take_batch


class Spectral(Operator):
    r"""``F^{-1} diag(lambda) F`` with a fast transform ``F``, known by its first column.

    A structure writes :meth:`transform`, :meth:`inverse_transform`, :meth:`spectrum`,
    :meth:`with_spectrum` and, where one value stands for a conjugate pair, :meth:`multiplicity`.
    Its inverse, determinant and square root follow, and a multiple of the identity that is added
    stays in the structure.

    Parameters
    ----------
    column : Tensor, shape (*batch, n)
        The first column; real, any floating-point dtype.
    tags : iterable of str
        What is known besides, see :class:`Operator`.

    Attributes
    ----------
    name : str
        Of the transform.
    """

    name: str

    def __init__(self, column: Tensor, tags: Iterable[str] = ()) -> None:
        checks.floating("column", column)
        if column.ndim == 0:
            raise ValueError("column must have shape (*batch, n), got a single number")
        n = column.shape[-1]
        super().__init__((*column.shape, n), column.dtype, column.device, tags)
        self.column = column

    # -- what a structure writes ---------------------------------------------------------------

    def transform(self, V: Tensor) -> Tensor:
        """``F V``: ``[*b, n, c] -> [*b, k, c]``, in float32 for a half-precision ``V``."""
        raise NotImplementedError(f"{type(self).__name__} must define transform")

    def inverse_transform(self, C: Tensor) -> Tensor:
        """``F^{-1} C``: ``[*b, k, c] -> [*b, n, c]``, real."""
        raise NotImplementedError(f"{type(self).__name__} must define inverse_transform")

    def spectrum(self) -> Tensor:
        """The distinct eigenvalues ``lambda``, ``[*batch, k]``, real or complex."""
        raise NotImplementedError(f"{type(self).__name__} must define spectrum")

    def with_spectrum(self, values: Tensor, tags: Iterable[str] = ()) -> Self:
        """The operator of this structure with other eigenvalues."""
        raise NotImplementedError(f"{type(self).__name__} must define with_spectrum")

    def multiplicity(self) -> Tensor:
        """How many eigenvalues each of ``spectrum`` stands for: one, or a conjugate pair."""
        return torch.ones(self.n, dtype=torch.long, device=self.device)

    # -- what follows --------------------------------------------------------------------------

    def with_column(self, column: Tensor, tags: Iterable[str] = ()) -> Self:
        """The operator of this structure with another first column."""
        return type(self)(column, tags)

    def shifted(self, number: Tensor) -> Self:
        """The operator plus a multiple of the identity, its number of shape ``()``."""
        corner = torch.nn.functional.pad(number[None], (0, self.n - 1))
        return self.with_column(self.column + corner)

    def _take_batch(self, keys: Keys) -> Self:
        return self.with_column(take_batch(self.column, 1, self.batch, keys), self.tags)

    def dense(self) -> Tensor:
        """The matrix, read from its first column."""
        i = torch.arange(self.n, device=self.device)
        return self._entries(*torch.broadcast_tensors(i[:, None], i))

    def diagonal(self) -> Tensor:
        """The first entry of the column, ``n`` times."""
        return self.column[..., :1].expand(self.column.shape)


def working(V: Tensor) -> Tensor:
    """``V`` in a precision that has transforms: float32 for the halves."""
    return V.float() if V.dtype in HALF else V
