"""A multiple of an operator."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.operators.base import Operator
from mercer.operators.batch import Keys, broadcast_shapes, take_batch
from mercer.operators.diagonal import Diagonal
from mercer.operators.identity import Identity
from mercer.operators.zero import Zero


class Scaled(Operator):
    """``factor * operator``; :func:`scale` makes it and simplifies where it can.

    It stays ``psd`` when the factor is known not to be negative (inside ``torch.func.vmap`` and
    ``torch.compile`` a tensor cannot be looked at, and the tag is dropped).

    Parameters
    ----------
    operator : Operator
        Of shape ``(*batch, n, m)``.
    factor : float or Tensor, shape (*batch)
        Of the operator's dtype and device where it is a tensor.

    Examples
    --------
    >>> from mercer.operators.dense import Dense
    >>> Scaled(Dense(torch.eye(2)), 3.0) @ torch.ones(2)
    tensor([3., 3.])
    """

    def __init__(self, operator: Operator, factor: float | Tensor) -> None:
        batch = operator.batch
        if isinstance(factor, Tensor):
            checks.alike("the factor", factor, "the operator", operator)
            batch = broadcast_shapes(batch, factor.shape)
        kept = {"symmetric", "lower_triangular", "upper_triangular"}
        if _nonnegative(factor):
            kept.add("psd")
        super().__init__(
            (*batch, *operator.shape[-2:]), operator.dtype, operator.device, operator.tags & kept
        )
        self.operator = operator
        self.factor = factor

    def _times(self, values: Tensor, core: int) -> Tensor:
        """``factor`` times ``values``, whose last ``core`` dimensions are not batch."""
        if isinstance(self.factor, Tensor):
            return self.factor[(..., *(None,) * core)] * values
        return self.factor * values

    def _matmul(self, V: Tensor) -> Tensor:
        return self._times(self.operator._matmul(V), 2)

    def _adjoint(self) -> Operator:
        return Scaled(self.operator.mT, self.factor)

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return self._times(self.operator._entries(i, j), i.ndim)

    def _take(self, rows: Tensor | slice, cols: Tensor | slice) -> Operator:
        return scale(self.operator._take(rows, cols), self.factor)

    def _take_batch(self, keys: Keys) -> Operator:
        factor = self.factor
        if isinstance(factor, Tensor):
            factor = take_batch(factor, 0, self.batch, keys)
        return scale(take_batch(self.operator, 2, self.batch, keys), factor)

    def dense(self) -> Tensor:
        """The multiple of the dense matrix."""
        return self._times(self.operator.dense(), 2)

    def diagonal(self) -> Tensor:
        """The multiple of the diagonal."""
        return self._times(self.operator.diagonal(), 1)


def scale(operator: Operator, factor: float | Tensor) -> Operator:
    """Return ``factor * operator`` in its simplest form.

    Factors of factors multiply, a multiple of :class:`Diagonal` is a :class:`Diagonal`, and
    :class:`Identity` takes the dtype and device of a tensor that multiplies it.

    Parameters
    ----------
    operator : Operator
        Of shape ``(*batch, n, m)``.
    factor : float or Tensor, shape (*batch)
        A finite number, or a tensor of the operator's dtype and device; it may add batch
        dimensions.

    Returns
    -------
    Operator
        Of shape ``(*batch, n, m)``.

    Raises
    ------
    TypeError
        If the factor is neither a number nor a floating-point tensor of the operator's dtype.
    ValueError
        If a number is NaN or infinite.

    Examples
    --------
    >>> scale(Diagonal(torch.ones(2)), 2.0)
    Diagonal(2 x 2, float32, lower_triangular, psd, symmetric, upper_triangular)
    """
    factor = _as_factor(factor)
    if isinstance(factor, float) and factor == 1.0:
        return operator
    if isinstance(operator, Scaled):
        if isinstance(operator.operator, Identity):
            like: Scaled = identity_like(operator, factor)
            return scale(like.operator, like.factor * factor)
        if isinstance(factor, Tensor):
            checks.alike("the factor", factor, "the operator", operator)
        return scale(operator.operator, operator.factor * factor)
    if isinstance(operator, Identity):
        operator = identity_like(operator, factor)
    scaled = Scaled(operator, factor)
    if isinstance(operator, Diagonal):
        return Diagonal(scaled.diagonal(), scaled.tags)
    if isinstance(operator, Zero):
        return Zero(
            *operator.shape[-2:], batch=scaled.batch, dtype=scaled.dtype, device=scaled.device
        )
    return scaled


def is_identity(operator: Operator) -> bool:
    """Whether ``operator`` is a multiple of the identity."""
    return isinstance(operator.operator if isinstance(operator, Scaled) else operator, Identity)


def identity_like(operator: Operator, other: Any) -> Any:
    """Return a multiple of the identity in the dtype and on the device of ``other``.

    ``other`` is an operator or a tensor; a number changes nothing.
    """
    if not isinstance(other, (Tensor, Operator)):
        return operator
    identity = Identity(operator.n, other.dtype, other.device)
    if not isinstance(operator, Scaled):
        return identity
    factor = operator.factor
    if isinstance(factor, Tensor):
        factor = factor.to(other.device, other.dtype)
    return Scaled(identity, factor)


def _as_factor(factor: Any) -> float | Tensor:
    if isinstance(factor, Tensor):
        return checks.floating("the factor", factor)
    if isinstance(factor, bool) or not hasattr(factor, "__float__"):
        raise TypeError(
            f"the factor must be a number or a floating-point tensor, got {type(factor).__name__}"
        )
    number = float(factor)
    if not math.isfinite(number):
        raise ValueError(f"the factor must be finite, got {number}")
    return number


def _nonnegative(factor: float | Tensor) -> bool:
    if isinstance(factor, Tensor):
        return checks.concrete(factor) and bool(torch.all(factor >= 0))
    return factor >= 0
