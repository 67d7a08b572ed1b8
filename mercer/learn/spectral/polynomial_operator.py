"""A polynomial of an operator, by products with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, take_batch


class PolynomialOperator(Operator):
    r""":math:`\sum_p \pi_p K^p` for a symmetric ``K``, applied by products with ``K``.

    Tagged ``psd`` where ``K`` is and no coefficient is negative.

    Parameters
    ----------
    K : Operator, shape (*batch, n, n)
        Symmetric.
    coefficients : sequence of float
        :math:`\pi_0, \pi_1, \dots`; at least one.
    tags : iterable of str
        What is known besides.

    Examples
    --------
    >>> from mercer.operators import Diagonal
    >>> PolynomialOperator(Diagonal(torch.tensor([1.0, 2.0])), [1.0, 0.0, 3.0]) @ torch.ones(2)
    tensor([ 4., 13.])
    """

    def __init__(
        self, K: Operator, coefficients: Sequence[float], tags: Iterable[str] = ()
    ) -> None:
        if "symmetric" not in K.tags:
            raise ValueError(f"a polynomial is of a symmetric operator, got {K!r}")
        if len(coefficients) == 0:
            raise ValueError("coefficients must not be empty")
        checks.finite("coefficients", torch.tensor(coefficients, dtype=torch.float64))
        known = {"symmetric", *tags}
        if "psd" in K.tags and all(c >= 0 for c in coefficients):
            known.add("psd")
        super().__init__(K.shape, K.dtype, K.device, known)
        self.K = K
        self.coefficients = tuple(float(c) for c in coefficients)

    def _matmul(self, V: Tensor) -> Tensor:
        *rest, last = self.coefficients  # Horner's rule
        batch = torch.broadcast_shapes(self.batch, V.shape[:-2])
        out = (last * V).expand(*batch, *V.shape[-2:])
        for c in reversed(rest):
            out = self.K @ out + c * V
        return out

    def _adjoint(self) -> PolynomialOperator:
        return self

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        wanted, place = torch.unique(j, return_inverse=True)
        return self.columns(wanted)[..., i, place]

    def _take_batch(self, keys: Keys) -> PolynomialOperator:
        part = take_batch(self.K, 2, self.batch, keys)
        return PolynomialOperator(part, self.coefficients, self.tags)

    def columns(self, index: Tensor) -> Tensor:
        """The columns in ``index``, by a product with unit vectors, ``[*batch, n, len(index)]``."""
        units = torch.zeros(self.n, len(index), dtype=self.dtype, device=self.device)
        units[index, torch.arange(len(index), device=self.device)] = 1.0
        return self._matmul(units)
