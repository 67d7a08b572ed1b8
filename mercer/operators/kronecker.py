"""A Kronecker product of operators."""

from __future__ import annotations

import math
from functools import reduce

import torch
from torch import Tensor

from mercer.operators.base import TAGS, Operator
from mercer.operators.batch import Keys, broadcast_batch, take_batch
from mercer.operators.scaled import identity_like, is_identity


class Kronecker(Operator):
    """``A₁ ⊗ A₂ ⊗ ... ⊗ A_k``, multiplied one factor at a time.

    Nested Kronecker products are flattened. A tag holds of the product when it holds of every
    factor (triangles only when every factor is square). Multiples of :class:`Identity` take the
    dtype and device of the other factors.

    Parameters
    ----------
    *factors : Operator
        At least one; of one dtype and device, with batches that broadcast.

    Examples
    --------
    >>> from mercer.operators.dense import Dense
    >>> A = Dense(torch.tensor([[1.0, 2.0]]))
    >>> Kronecker(A, Dense(torch.eye(2))).dense()
    tensor([[1., 0., 2., 0.],
            [0., 1., 0., 2.]])

    References
    ----------
    Charles F. Van Loan, "The ubiquitous Kronecker product",
    https://doi.org/10.1016/S0377-0427(00)00393-9
    """

    factors: tuple[Operator, ...]

    def __init__(self, *factors: Operator) -> None:
        if not factors:
            raise ValueError("a Kronecker product needs at least one operator, got none")
        for position, factor in enumerate(factors, start=1):
            if not isinstance(factor, Operator):
                raise TypeError(
                    f"factor {position} must be an operator, got {type(factor).__name__}"
                )
        flat: list[Operator] = []
        for factor in factors:
            flat += factor.factors if isinstance(factor, Kronecker) else [factor]
        flat = _adapted(flat)
        n, m = math.prod(f.n for f in flat), math.prod(f.m for f in flat)
        tags = set(TAGS).intersection(*(f.tags for f in flat))
        if not all(f.is_square for f in flat):
            tags -= {"lower_triangular", "upper_triangular"}
        batch = broadcast_batch(flat, "factor")
        super().__init__((*batch, n, m), flat[0].dtype, flat[0].device, tags)
        self.factors = tuple(flat)

    def _matmul(self, V: Tensor) -> Tensor:
        c = V.shape[-1]
        for k, factor in enumerate(self.factors):
            done, left = self.factors[:k], self.factors[k + 1 :]
            rest = math.prod([*(f.n for f in done), *(f.m for f in left)])
            X = V.reshape(*V.shape[:-2], factor.m, rest * c)
            X = factor._matmul(X)  # [*batch, n_k, rest * c]
            # The axis just done becomes the fastest, and the next one the slowest.
            X = X.reshape(*X.shape[:-2], factor.n, rest, c).transpose(-3, -2)
            V = X.reshape(*X.shape[:-3], rest * factor.n, c)
        return V

    def _adjoint(self) -> Kronecker:
        return Kronecker(*(factor.mT for factor in self.factors))

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        terms = []
        for factor in reversed(self.factors):
            n, m = max(factor.n, 1), max(factor.m, 1)
            terms.append(factor._entries(i % n, j % m))
            i, j = i // n, j // m
        return reduce(torch.mul, reversed(terms))

    def _take_batch(self, keys: Keys) -> Kronecker:
        return Kronecker(*(take_batch(f, 2, self.batch, keys) for f in self.factors))

    def dense(self) -> Tensor:
        """The Kronecker product of the dense factors."""
        return reduce(_kron, (factor.dense() for factor in self.factors))


def _adapted(factors: list[Operator]) -> list[Operator]:
    """Give multiples of the identity the dtype and device of the first other factor."""
    others = [factor for factor in factors if not is_identity(factor)]
    if not others:
        return factors
    return [identity_like(f, others[0]) if is_identity(f) else f for f in factors]


def _kron(A: Tensor, B: Tensor) -> Tensor:
    product = A[..., :, None, :, None] * B[..., None, :, None, :]  # [*batch, n1, n2, m1, m2]
    n, m = A.shape[-2] * B.shape[-2], A.shape[-1] * B.shape[-1]
    return product.reshape(*product.shape[:-4], n, m)
