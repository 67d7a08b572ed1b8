"""Kernels on the unit cube that are products over coordinates, each near one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.engine import HALF
from mercer.kernels.base import Kernel
from mercer.operators import Pairwise

ORDERS = 4  # orders of smoothness that have closed forms
CACHED = 1 << 14  # differences taken at once on a CPU, where no gradient is wanted


class WeightedProduct(Kernel):
    r"""The kernel of a weighted space of functions on the unit cube.

    .. math:: k(x, y) = S \prod_{j=1}^d (1 + \gamma_j K_{\alpha_j}(x_j \ominus y_j))

    Every univariate :math:`K_\alpha` has mean zero, so that :math:`\int k(x, y) dy = S`. A card
    says what the difference :math:`\ominus` is and evaluates :math:`K_\alpha`.

    Parameters
    ----------
    dimension : int
        ``d``, how many coordinates the kernel reads; at least 1.
    alpha : {1, 2, 3, 4} or a sequence of d of them, optional
        The order of smoothness, one for all coordinates or one for each; 2 by default.
    weights : float, sequence of float or Tensor, shape (), (d,) or (*batch, d)
        The product weights :math:`\gamma`: how much each coordinate matters; positive.
    scale : float or Tensor, shape (*batch)
        ``S``; positive.
    combination : sequence of float or Tensor, shape (4,), (4, d) or (*batch, 4, d), optional
        Instead of ``alpha``: the univariate kernel is :math:`\sum_p c_p K_p`, all orders mixed with
        these positive weights.
    active_dimensions : sequence of int, optional
        The coordinates that the kernel reads.
    """

    def __init__(
        self,
        dimension: int,
        alpha: int | Sequence[int] | None = None,
        weights: float | Sequence[float] | Tensor = 1.0,
        scale: float | Tensor = 1.0,
        combination: Sequence[float] | Tensor | None = None,
        *,
        active_dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__(active_dimensions)
        self.dimension = checks.count("dimension", dimension)
        if alpha is not None and combination is not None:
            raise ValueError("give alpha or combination, not both")
        alpha = 2 if alpha is None and combination is None else alpha
        self._alpha = checked_orders(alpha, dimension)
        if self.stationary:  # the difference has derivatives, and the kernel those of |x|^(2 a - 1)
            self.smoothness = 2 * min(order or 1 for order in self._orders()) - 1
        self._positive("weights", weights)
        self._positive("scale", scale)
        if self.weights.ndim and self.weights.shape[-1] != dimension:
            raise ValueError(
                f"weights must be one number or {dimension}, got shape {tuple(self.weights.shape)}"
            )
        if combination is not None:
            self._positive("combination", combination)
            shape = tuple(self._value("combination").shape)
            if shape != (ORDERS,) and shape[-2:] != (ORDERS, dimension):
                raise ValueError(
                    f"combination must have shape (4,) or (4, {dimension}), got {shape}"
                )

    @property
    def alpha(self) -> Any:
        """The order of smoothness; None where all are mixed."""
        return self._alpha

    @property
    def weights(self) -> Tensor:
        """The product weights."""
        return self._value("weights")

    @property
    def scale(self) -> Tensor:
        """The factor, which is the mean of the kernel."""
        return self._value("scale")

    @property
    def combination(self) -> Tensor | None:
        """The weights of the orders, if they are mixed."""
        known = "combination" in self._given or "log_combination" in self._parameters
        return self._value("combination") if known else None

    # -- what a card writes --------------------------------------------------------------------

    def reading(self, X: Tensor) -> Tensor:
        """What differences are taken of: ``[*b, n, d] -> [*b, n, d]``."""
        return X

    @staticmethod
    def difference(x: Tensor, y: Tensor) -> Tensor:
        """The difference of two readings."""
        raise NotImplementedError("a kernel must define its difference of points")

    @staticmethod
    def univariate(order: int, delta: Tensor, dtype: torch.dtype) -> Tensor:
        """``K_order`` of one coordinate's differences."""
        raise NotImplementedError("a kernel must define its univariate kernels")

    @classmethod
    def coordinate(
        cls, order: int | None, delta: Tensor, mixed: Sequence[Tensor], dtype: torch.dtype
    ) -> Tensor:
        """The univariate kernel of one coordinate: of one order, or of all orders mixed."""
        if order is not None:
            return cls.univariate(order, delta, dtype)
        value = mixed[0] * cls.univariate(1, delta, dtype)
        for p in range(2, ORDERS + 1):
            value = value + mixed[p - 1] * cls.univariate(p, delta, dtype)
        return value

    def shape_parameters(self) -> Tensor | None:
        """Parameters of the univariate kernels, ``[*batch, k, d]``."""
        combination = self.combination
        if combination is None or combination.ndim > 1:
            return combination
        return combination[:, None].expand(ORDERS, self.dimension)

    # -- what follows --------------------------------------------------------------------------

    def parts(self) -> None:
        """It is no function of a few scores."""
        return None

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Pairwise:
        """Entries are evaluated a block of rows at a time."""
        dtype = torch.float32 if X.dtype in HALF else X.dtype
        x = self.read(X.to(dtype))
        y = x if Y is None else self.read(Y.to(dtype))
        function = functools.partial(pair_values, type(self), self._orders(), dtype)
        parameters = [p.to(X.device, dtype) for p in self._parameter_list()]
        tags = {"symmetric", "psd"} if Y is None else ()
        return Pairwise(function, x, y, parameters, dtype=X.dtype, tags=tags)

    def of_differences(self, delta: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """The kernel as a function of differences of readings: ``[*b, n, d] -> [*b, n]``.

        With ``delta`` of ``x_i - x_0`` it is the first column of a Gram matrix.
        """
        return self.scale.to(delta.device, dtype)[..., None] * (1 + self.excess(delta, dtype))

    def excess(self, delta: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """``k / S - 1`` of differences, without the cancellation: ``[*b, n, d] -> [*b, n]``."""
        parameters = [p.to(delta.device, dtype)[..., None] for p in self._parameter_list()[1:]]
        function = functools.partial(product_excess, type(self), self._orders(), dtype)
        if torch.is_grad_enabled() and any(p.requires_grad for p in (delta, *parameters)):
            return function(delta, parameters)
        rows = max(1, CACHED // self.dimension) if delta.device.type == "cpu" else delta.shape[-2]
        parts = [function(part, parameters) for part in delta.split(rows, dim=-2)]
        return torch.cat(parts, -1)

    def _orders(self) -> tuple[int | None, ...]:
        """The order of each coordinate; None where they are mixed."""
        alpha = self._alpha
        return tuple(alpha) if isinstance(alpha, list) else (alpha,) * self.dimension

    def _parameter_list(self) -> list[Tensor]:
        """The scale, the weights, and the shape parameters by coordinate; each of ``(*batch)``."""
        weights, shapes = self.weights, self.shape_parameters()
        each = weights.unbind(-1) if weights.ndim else [weights] * self.dimension
        mixed = [] if shapes is None else [p for c in shapes.unbind(-1) for p in c.unbind(-1)]
        return [self.scale, *each, *mixed]

    def read(self, X: Tensor) -> Tensor:
        """The reading of the active coordinates of points."""
        X = self.active(X)
        if X.shape[-1] != self.dimension:
            raise ValueError(
                f"dimension is {self.dimension}, but the points have {X.shape[-1]} columns"
            )
        return self.reading(X)


def product_excess(
    kernel: type[WeightedProduct],
    orders: Sequence[int | None],
    dtype: torch.dtype,
    delta: Tensor,
    parameters: Sequence[Tensor],
) -> Tensor:
    r""":math:`\prod_j (1 + \gamma_j K_j(\delta_j)) - 1`, which is not formed by subtraction."""
    d = len(orders)
    shapes = len(parameters) // d - 1  # of each coordinate
    if not shapes and len(set(orders)) == 1:  # all coordinates in one call
        values = kernel.univariate(orders[0] or 0, delta, dtype).unbind(-1)
    else:
        mixed = [parameters[d + shapes * j : d + shapes * (j + 1)] for j in range(d)]
        values = tuple(
            kernel.coordinate(order, delta[..., j], mixed[j], dtype)
            for j, order in enumerate(orders)
        )
    excess = parameters[0] * values[0]
    for weight, value in zip(parameters[1:d], values[1:]):
        value = weight * value
        excess = torch.addcmul(excess + value, excess, value)  # (1 + e) (1 + v) - 1
    return excess


def pair_values(
    kernel: type[WeightedProduct],
    orders: Sequence[int | None],
    dtype: torch.dtype,
    x: Tensor,
    y: Tensor,
    parameters: Sequence[Tensor],
) -> Tensor:
    """The kernel of pairs of readings."""
    scale, *rest = parameters
    return scale * (1 + product_excess(kernel, orders, dtype, kernel.difference(x, y), rest))


def checked_orders(alpha: int | Sequence[int] | None, dimension: int) -> int | list[int] | None:
    """The orders of smoothness as a number, or as a list with one for each coordinate."""
    if alpha is None:
        return None
    every = list(alpha) if isinstance(alpha, Sequence) else [alpha]
    if any(type(a) is not int or not 1 <= a <= ORDERS for a in every):
        raise ValueError(f"alpha must be 1, 2, 3 or 4, got {alpha!r}")
    if isinstance(alpha, int):
        return alpha
    if len(every) != dimension:
        raise ValueError(f"alpha must be one number or {dimension}, got {len(every)}")
    return every


def modulo_one(x: Tensor) -> Tensor:
    """The fractional part, in [0, 1); 1 for numbers just below zero."""
    part = x.frac()  # of the sign of x
    return part + (part < 0)
