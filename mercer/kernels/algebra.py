"""Sums, products, powers and multiples of kernels: fused into one expression where all are profiles."""

from __future__ import annotations

import operator
from typing import Any

from torch import Tensor

from mercer import checks
from mercer.kernels.base import Kernel
from mercer.kernels.profile import Profile
from mercer.operators import Operator


def as_kernel(value: Any) -> Kernel:
    """A kernel as it is; a positive number as a constant kernel."""
    if isinstance(value, Kernel):
        return value
    from mercer.kernels.constant import Constant

    return Constant(value)


class KernelSum(Kernel):
    """``k(x, y) = a(x, y) + b(x, y)``.

    Examples
    --------
    >>> import torch
    >>> from mercer.kernels import RBF
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> (RBF() + RBF())(x)[0, 1].item()
    1.213...
    """

    def __init__(self, first: Kernel, second: Kernel) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.stationary = first.stationary and second.stationary  # type: ignore[misc]

    def parts(self) -> Profile | None:
        """Both profiles in one expression."""
        a, b = self.first.parts(), self.second.parts()
        return None if a is None or b is None else a.combine(b, operator.add)

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """One fused operator, or the sum of two where a kernel has no profile."""
        if self.parts() is not None:
            return super().operator(X, Y, precision)
        first = self.first.operator(X, Y, precision)
        return first + self.second.operator(X, Y, precision)


class KernelProduct(Kernel):
    """``k(x, y) = a(x, y) b(x, y)``."""

    def __init__(self, first: Kernel, second: Kernel) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.stationary = first.stationary and second.stationary  # type: ignore[misc]

    def parts(self) -> Profile | None:
        """Both profiles in one expression."""
        a, b = self.first.parts(), self.second.parts()
        return None if a is None or b is None else a.combine(b, operator.mul)

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """One fused operator; a diagonal times anything is a diagonal."""
        if self.parts() is not None:
            return super().operator(X, Y, precision)
        first = self.first.operator(X, Y, precision)
        second = self.second.operator(X, Y, precision)
        return entrywise_product(first, second)


class KernelPower(Kernel):
    """``k(x, y) = a(x, y) ** exponent`` for a whole exponent of at least one.

    Parameters
    ----------
    base : Kernel
        The kernel.
    exponent : int
        At least 1; other powers of a kernel need not be positive definite.
    """

    def __init__(self, base: Kernel, exponent: int) -> None:
        super().__init__()
        self.base, self.exponent = base, checks.count("exponent", exponent)
        self.stationary = base.stationary  # type: ignore[misc]

    def parts(self) -> Profile | None:
        """The profile to the power."""
        a = self.base.parts()
        return None if a is None else a.map(lambda e: e**self.exponent)

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """One fused operator; powers of a diagonal entry by entry."""
        if self.parts() is not None:
            return super().operator(X, Y, precision)
        power = base = self.base.operator(X, Y, precision)
        for _ in range(self.exponent - 1):
            power = entrywise_product(power, base)
        return power


class ScaledKernel(Kernel):
    """``k(x, y) = scale a(x, y)``.

    Parameters
    ----------
    base : Kernel
        The kernel.
    scale : float or Tensor, shape (*batch)
        Positive: the variance that multiplies the kernel.
    """

    def __init__(self, base: Kernel, scale: float | Tensor) -> None:
        super().__init__()
        self.base = base
        self._positive("scale", scale)
        self.stationary = base.stationary  # type: ignore[misc]

    @property
    def scale(self) -> Tensor:
        """The factor."""
        return self._value("scale")

    def parts(self) -> Profile | None:
        """The profile times a parameter."""
        a = self.base.parts()
        return None if a is None else a.times(self.scale)

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """One fused operator, or a multiple of one."""
        if self.parts() is not None:
            return super().operator(X, Y, precision)
        return self.base.operator(X, Y, precision) * self.scale.to(X)


def entrywise_product(A: Operator, B: Operator) -> Operator:
    """The product entry by entry, where one factor is diagonal or zero."""
    from mercer.operators import Diagonal, Identity, Zero

    for one, other in ((A, B), (B, A)):
        if isinstance(one, Zero):
            return one
        if isinstance(one, (Diagonal, Identity)):
            return Diagonal(one.diagonal() * other.diagonal())
    raise NotImplementedError(
        f"the product of a {type(A).__name__} and a {type(B).__name__} kernel has no fast form"
    )


