"""The kernel: a symmetric positive-definite function of two points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import sympy
import torch
from torch import Tensor, nn

from mercer import checks
from mercer.engine.formula import formula_of
from mercer.kernels.profile import Profile
from mercer.operators import KernelOperator, Operator


class Kernel(nn.Module):
    """``k(x, y)``. Called on points it gives the operator of all pairs.

    A kernel over vectors is a card: it sets ``score`` and ``profile`` and, where points are warped
    before the score is taken, overrides :meth:`warp`. Anything else overrides :meth:`operator`.

    Parameters are constants until ``kernel.requires_grad_()`` says that they are to be trained, so
    that plain use of a kernel records no graph.

    Parameters
    ----------
    active_dimensions : sequence of int, optional
        The coordinates of a point that the kernel reads; all of them by default.
    """

    score: ClassVar[str] = "squared_distance"
    profile: ClassVar[sympy.Expr]
    stationary: ClassVar[bool] = False

    def __init__(self, active_dimensions: Sequence[int] | None = None) -> None:
        super().__init__()
        self.active_dimensions = None if active_dimensions is None else list(active_dimensions)
        self._given: dict[str, Tensor] = {}

    # -- what a card may override --------------------------------------------------------------

    def warp(self, X: Tensor) -> Tensor:
        """The points that the score is taken of: ``[*b, n, d] -> [*b, n, d']``."""
        return X

    def profile_parameters(self) -> Sequence[Tensor]:
        """The values of ``p(0), p(1), ...`` in the profile."""
        return ()

    def parts(self) -> Profile | None:
        """The kernel taken apart, or ``None`` if it is no function of scores."""
        parameters = tuple(self.profile_parameters())
        formula = formula_of(self.profile, (self.score,), len(parameters))
        return Profile(formula, (lambda X: self.warp(self.active(X)),), parameters)

    # -- what users call -----------------------------------------------------------------------

    def forward(self, X: Tensor, Y: Tensor | None = None, *, precision: str = "highest") -> Operator:
        """The operator ``K_ij = k(x_i, y_j)``.

        Parameters
        ----------
        X : Tensor, shape (*batch, n, d)
            Points, one a row.
        Y : Tensor, shape (*batch, m, d), optional
            Other points; ``X`` by default, and then the operator is symmetric.
        precision : {"highest", "high", "medium"}
            See :func:`mercer.engine.reduce`.

        Returns
        -------
        Operator, shape (*batch, n, m)

        Raises
        ------
        TypeError, ValueError
            If points are not floating-point matrices of one dtype, device and width, or not finite.
        """
        _check_points("X", X)
        if Y is not None and Y is not X:
            _check_points("Y", Y)
            checks.alike("Y", Y, "X", X)
            if X.shape[-1] != Y.shape[-1]:
                raise ValueError(f"X has {X.shape[-1]} columns but Y has {Y.shape[-1]}")
        return self.operator(X, None if Y is X else Y, precision)

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """The operator for checked points; ``Y`` is ``None`` when it is ``X``."""
        parts = self.parts()
        if parts is None:
            raise NotImplementedError(f"{type(self).__name__} must define parts or operator")
        left = [warp(X) for warp in parts.warps]
        right = left if Y is None else [warp(Y) for warp in parts.warps]
        parameters = [q.to(X) for q in parts.parameters]
        tags = {"symmetric", "psd"} if Y is None else ()
        return KernelOperator(
            parts.formula, left, right, parameters, precision=precision, tags=tags
        )

    def active(self, X: Tensor) -> Tensor:
        """The active coordinates of the points."""
        if self.active_dimensions is None:
            return X
        if max(self.active_dimensions) >= X.shape[-1]:
            raise ValueError(
                f"active_dimensions asks for coordinate {max(self.active_dimensions)}, "
                f"but the points have {X.shape[-1]}"
            )
        return X[..., self.active_dimensions]

    # -- parameters ----------------------------------------------------------------------------

    def _positive(self, name: str, value: float | Tensor) -> None:
        """Make ``value`` a positive parameter, trained on the log scale as ``log_<name>``.

        A tensor that already carries a graph is used as it is, so that gradients reach its source.
        """
        tensor = checks.positive(name, value)
        if tensor.requires_grad:
            self._given[name] = tensor
        else:
            log = tensor.detach().double().log()
            self.register_parameter(f"log_{name}", nn.Parameter(log, requires_grad=False))

    def _value(self, name: str) -> Tensor:
        """The value of a parameter made by :meth:`_positive`."""
        if name in self._given:
            return self._given[name]
        return getattr(self, f"log_{name}").exp()

    # -- algebra -------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Kernel:
        from mercer.kernels.algebra import KernelSum, as_kernel

        return KernelSum(self, as_kernel(other))

    __radd__ = __add__

    def __mul__(self, other: Any) -> Kernel:
        from mercer.kernels.algebra import KernelProduct, ScaledKernel

        if isinstance(other, Kernel):
            return KernelProduct(self, other)
        return ScaledKernel(self, other)

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Kernel:
        from mercer.kernels.algebra import KernelPower

        return KernelPower(self, exponent)


def _check_points(name: str, points: Tensor) -> None:
    checks.floating(name, points)
    if points.ndim < 2:
        raise ValueError(
            f"{name} must have shape (*batch, n, d), one point a row; got {tuple(points.shape)}"
        )
    checks.finite(name, points)
