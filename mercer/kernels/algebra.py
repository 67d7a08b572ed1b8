"""Sums, products, powers and multiples of kernels, fused into one expression where possible."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels.base import Kernel
from mercer.kernels.entrywise import entrywise_product
from mercer.kernels.profile import Profile, profile_operator
from mercer.operators import Operator


def as_kernel(value: Any) -> Kernel:
    """A kernel as it is; a positive number as a constant kernel."""
    if isinstance(value, Kernel):
        return value
    from mercer.kernels.constant import Constant

    return Constant(value)


class KernelSum(Kernel):
    """``k(x, y) = a(x, y) + b(x, y)``.

    Positive definite; the spectral law is the mixture of both, weighted by ``a(0)`` and ``b(0)``.

    Parameters
    ----------
    first, second : Kernel
        The terms.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> (RBF() + RBF())(x)[0, 1].item()
    1.213...
    """

    def __init__(self, first: Kernel, second: Kernel) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.stationary = first.stationary and second.stationary
        self.smoothness = min(first.smoothness, second.smoothness)
        self.by_index = first.by_index or second.by_index

    def parts(self) -> Profile | None:
        """Both profiles in one expression."""
        a, b = self.first.parts(), self.second.parts()
        return None if a is None or b is None else a.combine(b, operator.add)

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """One fused operator for all terms that have a profile, plus those that have none."""
        fused: list[Profile] = []
        operators: list[Operator] = []
        for term in self._terms():
            parts = term.parts()
            if parts is None:
                operators.append(term.operator(X, Y, precision))
            else:
                fused.append(parts)
        if fused:
            whole = reduce(lambda a, b: a.combine(b, operator.add), fused)
            operators.insert(0, profile_operator(whole, X, Y, precision))
        return reduce(operator.add, operators)

    def _terms(self) -> list[Kernel]:
        both = (self.first, self.second)
        return [t for k in both for t in (k._terms() if isinstance(k, KernelSum) else [k])]

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        a, b = (k.frequencies(count, d, generator) for k in (self.first, self.second))
        weight_a, weight_b = at_zero(self.first, d), at_zero(self.second, d)
        u = torch.rand(count, generator=generator, dtype=torch.float64, device=a.device)
        from_first = u < (weight_a / (weight_a + weight_b)).to(u)
        return torch.where(from_first[:, None], a, b)

    def __repr__(self) -> str:
        return f"{self.first!r} + {self.second!r}"


class KernelProduct(Kernel):
    """``k(x, y) = a(x, y) b(x, y)``.

    Positive definite by Schur's theorem; the spectral law is that of the sum of two frequencies.

    Parameters
    ----------
    first, second : Kernel
        The factors.

    Examples
    --------
    >>> from mercer.kernels import RBF, Linear
    >>> x = torch.tensor([[1.0], [2.0]])
    >>> (Linear() * RBF())(x).dense()
    tensor([[1.0000, 1.2131],
            [1.2131, 4.0000]])
    """

    def __init__(self, first: Kernel, second: Kernel) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.stationary = first.stationary and second.stationary
        self.smoothness = min(first.smoothness, second.smoothness)
        self.by_index = first.by_index or second.by_index

    def parts(self) -> Profile | None:
        """Both profiles in one expression."""
        a, b = self.first.parts(), self.second.parts()
        return None if a is None or b is None else a.combine(b, operator.mul)

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """One fused operator; a diagonal times anything is a diagonal."""
        if self.parts() is not None:
            return super().operator(X, Y, precision)
        first = self.first.operator(X, Y, precision)
        return entrywise_product(first, self.second.operator(X, Y, precision))

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        first = self.first.frequencies(count, d, generator)
        return first + self.second.frequencies(count, d, generator)

    def __repr__(self) -> str:
        return f"{_in_brackets(self.first)} * {_in_brackets(self.second)}"


class KernelPower(Kernel):
    """``k(x, y) = a(x, y) ** exponent`` for a whole exponent of at least one.

    Parameters
    ----------
    base : Kernel
        The kernel.
    exponent : int
        At least 1; other powers of a kernel need not be positive definite.

    Examples
    --------
    >>> from mercer.kernels import Linear
    >>> (Linear() ** 2)(torch.tensor([[3.0]])).dense()
    tensor([[81.]])
    """

    def __init__(self, base: Kernel, exponent: int) -> None:
        super().__init__()
        self.base, self.exponent = base, checks.count("exponent", exponent)
        self.stationary, self.smoothness = base.stationary, base.smoothness
        self.by_index = base.by_index

    def parts(self) -> Profile | None:
        """The profile to the power."""
        a = self.base.parts()
        return None if a is None else a.power(self.exponent)

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """One fused operator; powers of a diagonal entry by entry."""
        if self.parts() is not None:
            return super().operator(X, Y, precision)
        return reduce(entrywise_product, [self.base.operator(X, Y, precision)] * self.exponent)

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        draws = [self.base.frequencies(count, d, generator) for _ in range(self.exponent)]
        return reduce(operator.add, draws)

    def __repr__(self) -> str:
        composed = isinstance(self.base, KernelSum | KernelProduct | ScaledKernel | KernelPower)
        base = f"({self.base!r})" if composed else repr(self.base)
        return f"{base} ** {self.exponent}"


class ScaledKernel(Kernel):
    """``k(x, y) = scale a(x, y)``.

    Parameters
    ----------
    base : Kernel
        The kernel.
    scale : float or Tensor, shape (*batch)
        Positive: the variance that multiplies the kernel.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> (2.0 * RBF())(torch.tensor([[3.0]])).dense()
    tensor([[2.]])
    """

    def __init__(self, base: Kernel, scale: float | Tensor) -> None:
        super().__init__()
        self.base = base
        self._positive("scale", scale)
        self.stationary, self.smoothness = base.stationary, base.smoothness
        self.by_index = base.by_index

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

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        return self.base.frequencies(count, d, generator)

    def __repr__(self) -> str:
        scale = self.scale.detach()
        factor = f"{scale.item():.6g}" if scale.numel() == 1 else f"<{tuple(scale.shape)}>"
        return f"{factor} * {_in_brackets(self.base)}"


def at_zero(kernel: Kernel, d: int) -> Tensor:
    """``k(x, x)`` of a stationary kernel of points with ``d`` coordinates."""
    return kernel(torch.zeros(1, d, dtype=torch.float64)).diagonal().detach()


def _in_brackets(kernel: Kernel) -> str:
    return f"({kernel!r})" if isinstance(kernel, KernelSum) else repr(kernel)
