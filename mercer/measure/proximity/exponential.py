"""The exponential of a symmetric matrix without negative entries."""

from __future__ import annotations

import functools
import math

import numpy as np
import scipy.special
import torch
from torch import Tensor

from mercer.measure.proximity.column_operator import ColumnOperator
from mercer.operators import Sparse

SMALL = 256  # nodes up to which the dense exponential is quick
LARGE = 1e4  # t r from which it is the quicker one there
LARGEST = 1e8  # t r of a series, which is 90,000 products then
LOST = 0.01  # relative error of the result that the rounding of entries may cause
TERMS = 16  # of the Taylor polynomial in the dense exponential


class Exponential(ColumnOperator):
    r""":math:`e^{c}\, e^{t (N - r I)}` of a symmetric sparse ``N`` without negative entries.

    With ``r`` the spectral radius of ``N`` the second factor has norm 1, whatever ``t``. A product
    is a Chebyshev series on :math:`[-r, r]`, as long as rounding asks for: a few products with
    ``N`` at small ``t r``, about :math:`9 \sqrt{t r}` of them in float64 at large; of up to 256
    nodes it is by the dense exponential where ``t r`` is above 10,000. Gradients of all orders flow
    to ``t``, to ``N`` and to the right-hand side.

    Parameters
    ----------
    operator : Sparse, shape (n, n)
        ``N``, tagged ``symmetric``.
    radius : float, at least 0
        ``r``, at least the spectral radius of ``N``. A constant, also for gradients.
    t : Tensor, shape ()
        Positive.
    log_scale : Tensor, shape (), optional
        ``c``; 0 by default.

    Raises
    ------
    ValueError
        If ``operator`` is not tagged, or ``t r`` is above 0.01 over the rounding unit of its dtype
        (84,000 in float32, 4.5e13 in float64): the rounding of its entries would decide the
        result. Products of more than 256 nodes are refused above 1e8.

    Examples
    --------
    >>> N = Sparse(torch.tensor([[0, 1], [1, 0]]), torch.ones(2), (2, 2), {"symmetric"})
    >>> Exponential(N, 1.0, torch.tensor(1.0), torch.tensor(1.0)) @ torch.tensor([1.0, 0.0])
    tensor([1.5431, 1.1752])
    """

    def __init__(
        self, operator: Sparse, radius: float, t: Tensor, log_scale: Tensor | None = None
    ) -> None:
        if "symmetric" not in operator.tags:
            raise ValueError(f"operator must be tagged symmetric, got {operator!r}")
        super().__init__(operator.shape, operator.dtype, operator.device, {"psd"})
        self.operator, self.radius = operator, radius
        self.t, self.log_scale = t, log_scale
        self.size = float(t.detach()) * radius
        limit = LOST / torch.finfo(operator.dtype).eps
        if self.size > limit:
            wider = "" if operator.dtype == torch.float64 else "float64 or "
            raise ValueError(
                f"t times the spectral radius is {self.size:g}, and beyond {limit:.2g} the "
                f"rounding of {operator.dtype} decides the result; take {wider}a smaller t"
            )
        large = LARGE if self.n <= SMALL else LARGEST
        # [terms]
        self.series = None if self.size > large else _series(t, radius, operator.dtype)

    @property
    def unscaled(self) -> Exponential:
        """This operator without the factor ``exp(c)``."""
        return Exponential(self.operator, self.radius, self.t)

    def _scaled(self, X: Tensor) -> Tensor:
        if self.log_scale is None:
            return X
        limit = math.log(torch.finfo(self.dtype).max)
        size = float(self.log_scale.detach())
        if size > limit:
            raise ValueError(
                f"t times the spectral radius is {size:g}, and its exponential "
                f"overflows {self.dtype} beyond {limit:.0f}; take a smaller t, or the logarithm, "
                "which does not overflow"
            )
        return X * self.log_scale.exp()

    def _matmul(self, V: Tensor) -> Tensor:
        if self.series is None and self.n <= SMALL:
            return self.dense() @ V
        if self.series is None:
            raise ValueError(
                f"t times the spectral radius is {self.size:g}, and products with the exponential "
                f"are up to {LARGEST:g}; take a smaller t, or the dense matrix"
            )
        r = self.radius if self.radius > 0 else 1.0
        before, here = V, self.operator._matmul(V) / r  # the polynomials T_0 and T_1 of N / r
        X = self.series[0] * before
        for k, weight in enumerate(self.series[1:]):
            if k:
                before, here = here, (2.0 / r) * self.operator._matmul(here) - before
            X = X + weight * here
        return self._scaled(X)

    def dense(self) -> Tensor:
        """The matrix, by scaling and squaring; the *relative* error of every entry is small.

        Everything that is added is positive. Each of the factors that are multiplied is short
        enough for a walk from any node to any other to fit into ``n`` of them. In float64, since
        each squaring doubles the error.
        """
        squarings = max(0, math.ceil(math.log2(max(self.size, self.n, 1))))
        step = self.t.double() / 2.0**squarings
        X = _taylor(step * self.operator.dense().double()) * torch.exp(-step * self.radius)
        for _ in range(squarings):
            X = X @ X
        return self._scaled(X.to(self.dtype))


def _series(t: Tensor, radius: float, dtype: torch.dtype) -> Tensor:
    r"""The Chebyshev coefficients of :math:`e^{t r (x - 1)}`.

    They are :math:`2 e^{-tr} I_k(tr)`, half of it for ``k = 0``, and read off the values at the
    Chebyshev points, which have derivatives in ``t``, by a cosine transform.
    """
    z = float(t.detach()) * radius
    degree = _degree(z, torch.finfo(dtype).eps)
    angles = (torch.arange(degree + 1, dtype=torch.float64, device=t.device) + 0.5) * (
        math.pi / (degree + 1)
    )
    values = torch.exp(t.double() * radius * (angles.cos() - 1.0))  # [degree + 1]
    waves = torch.fft.rfft(torch.cat([values, values.flip(0)]))[: degree + 1]
    turn = torch.arange(degree + 1, dtype=torch.float64, device=t.device) * (
        math.pi / (2 * (degree + 1))
    )
    sums = (waves.real * turn.cos() + waves.imag * turn.sin()) / 2.0  # sum_j values_j cos(k a_j)
    weights = torch.full_like(angles, 2.0 / (degree + 1))
    weights[0] /= 2.0
    return (weights * sums).to(dtype)


@functools.lru_cache(maxsize=1024)
def _degree(z: float, eps: float) -> int:
    """The degree from which on all coefficients together are below ``eps``."""
    limit = 16
    while True:
        sizes = 2.0 * scipy.special.ive(np.arange(limit), z)
        tails = sizes[::-1].cumsum()[::-1]
        if tails[-1] < 1e-3 * eps:
            return max(1, int(np.argmax(tails < 0.1 * eps)))
        limit *= 2


def _taylor(X: Tensor) -> Tensor:
    """The Taylor polynomial of the exponential, of degree 16, in six products."""
    powers = [torch.eye(X.shape[-1], dtype=X.dtype, device=X.device), X, X @ X]
    powers += [powers[2] @ X, powers[2] @ powers[2]]

    def block(first: int) -> Tensor:
        terms = (powers[k] / math.factorial(first + k) for k in range(4))
        return functools.reduce(torch.add, terms)

    total = block(TERMS - 4) + powers[4] / math.factorial(TERMS)
    for first in range(TERMS - 8, -1, -4):
        total = block(first) + powers[4] @ total
    return total
