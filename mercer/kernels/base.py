"""The kernel: a symmetric positive-definite function of two points."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import sympy
import torch
from torch import Tensor, nn

from mercer import checks
from mercer.kernels.arguments import check_pair, check_points, dimensions, number, text
from mercer.kernels.profile import Profile, formula, profile_operator
from mercer.operators import Operator


class Kernel(nn.Module):
    """``k(x, y)``. Called on points it gives the operator of all pairs.

    A kernel over vectors is a card: it sets ``score`` and ``profile`` and, where points are warped
    before the score is taken, overrides :meth:`warp`; with several scores it overrides
    :meth:`parts`. Anything else overrides :meth:`operator`. Each argument of the constructor is
    also an attribute, so that the kernel can be printed and saved.

    Parameters are constants until ``kernel.requires_grad_()`` says that they are to be trained, so
    that plain use of a kernel records no graph.

    Attributes
    ----------
    score : str
        ``squared_distance``, ``l1_distance`` or ``dot``.
    profile : sympy.Expr
        ``k`` in the symbols of ``mercer/kernels/profile.py``.
    stationary : bool
        Whether ``k(x, y)`` is a function of ``x - y``.
    smoothness : float
        ``k`` has continuous derivatives of every order below this where ``x = y``: 1 for a kink,
        twice the order of a Matérn kernel.
    by_index : bool
        Whether it tells equal points apart by their index, so that ``k(X, X.clone())`` differs from
        ``k(X)``.

    Parameters
    ----------
    active_dimensions : sequence of int, optional
        The coordinates of a point that the kernel reads; all of them by default.
    """

    score: str = "squared_distance"
    profile: sympy.Expr
    stationary: bool = False
    smoothness: float = math.inf
    by_index: bool = False

    def __init__(self, active_dimensions: Sequence[int] | None = None) -> None:
        super().__init__()
        self.active_dimensions = dimensions(active_dimensions)
        self._given: dict[str, Tensor] = {}  # parameters used as they are, with their graph
        self._logs: set[str] = set()  # those of them that would be stored by their logarithm

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
        f = formula(self.profile, (self.score,), len(parameters))
        return Profile(f, (lambda X: self.warp(self.active(X)),), parameters)

    def _frequencies(self, count: int, d: int, generator: torch.Generator | None) -> Tensor:
        """Draws of the spectral law over the ``d`` active coordinates."""
        raise NotImplementedError(f"{type(self).__name__} has no spectral law to draw from")

    # -- what users call -----------------------------------------------------------------------

    def forward(
        self, X: Tensor, Y: Tensor | None = None, *, precision: str = "highest"
    ) -> Operator:
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
        check_points("X", X)
        if Y is not None and Y is not X:
            check_points("Y", Y)
            checks.alike("Y", Y, "X", X)
            check_pair(X, Y)
        return self.operator(X, None if Y is X else Y, precision)

    def frequencies(self, count: int, d: int, generator: torch.Generator | None = None) -> Tensor:
        r"""Draws :math:`\omega` with :math:`k(x, y) / k(x, x) = E \cos \omega \cdot (x - y)`.

        Parameters
        ----------
        count : int
            How many, at least 1.
        d : int
            Coordinates of a point.
        generator : torch.Generator, optional
            Where the draws come from.

        Returns
        -------
        Tensor, shape (count, d)
            In float64, in radians per unit of the points; zero on coordinates that the kernel does
            not read.

        Raises
        ------
        NotImplementedError
            If the kernel has no spectral law, or none that is known how to draw from.
        """
        count, d = checks.count("count", count), checks.count("d", d)
        if self.active_dimensions is None:
            return self._frequencies(count, d, generator)
        active = self._reachable(d)
        drawn = self._frequencies(count, len(active), generator)  # [*b, count, d']
        omega = drawn.new_zeros(*drawn.shape[:-1], d)
        omega[..., active] = drawn
        return omega

    def operator(self, X: Tensor, Y: Tensor | None, precision: str) -> Operator:
        """The operator for checked points; ``Y`` is ``None`` when it is ``X``."""
        parts = self.parts()
        if parts is None:
            raise NotImplementedError(f"{type(self).__name__} must define parts or operator")
        return profile_operator(parts, X, Y, precision)

    def active(self, X: Tensor) -> Tensor:
        """The active coordinates of the points."""
        if self.active_dimensions is None:
            return X
        return X[..., self._reachable(X.shape[-1])]

    def _reachable(self, d: int) -> list[int]:
        active = self.active_dimensions or []
        if max(active) >= d:
            raise ValueError(
                f"active_dimensions asks for coordinate {max(active)}, but the points have {d}"
            )
        return active

    # -- parameters ----------------------------------------------------------------------------

    def _positive(self, name: str, value: Any) -> None:
        """Make ``value`` a positive parameter, trained on the log scale as ``log_<name>``.

        A tensor that already carries a graph, or stands for many under ``torch.func.vmap``, is used
        as it is, so that gradients reach its source.
        """
        tensor = checks.positive(name, number(name, value))
        if isinstance(value, Tensor) and (tensor.requires_grad or not checks.concrete(tensor)):
            self._given[name] = tensor
            self._logs.add(name)
        else:
            self.keep(f"log_{name}", tensor.detach().double().log())

    def _real(self, name: str, value: Any) -> None:
        """Make ``value`` a parameter of either sign, kept as ``raw_<name>``."""
        tensor = checks.finite(name, number(name, value))
        if isinstance(value, Tensor) and (tensor.requires_grad or not checks.concrete(tensor)):
            self._given[name] = tensor
        else:
            self.keep(f"raw_{name}", tensor.detach().double())

    def keep(self, name: str, values: Tensor) -> None:
        """Store a parameter under its stored name, ``log_<name>`` or ``raw_<name>``."""
        self.register_parameter(name, nn.Parameter(values.clone(), requires_grad=False))

    def _given_as(self, name: str) -> tuple[str, Tensor]:
        """The name and values under which a given parameter would be stored."""
        value = self._given[name].detach().double()
        return (f"log_{name}", value.log()) if name in self._logs else (f"raw_{name}", value)

    def _value(self, name: str) -> Tensor:
        """The value of a parameter made by :meth:`_positive` or :meth:`_real`."""
        if name in self._given:
            return self._given[name]
        if f"log_{name}" in self._parameters:
            return getattr(self, f"log_{name}").exp()
        return getattr(self, f"raw_{name}")

    # -- printing and saving -------------------------------------------------------------------

    def arguments(self) -> dict[str, Any]:
        """The arguments of the constructor, by name; parameters as tensors."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        given = self._given
        return {name: given[name] if name in given else getattr(self, name) for name in names}

    def to_config(self) -> dict[str, Any]:
        """Everything that makes this kernel, in JSON's types; :func:`from_config` reads it."""
        from mercer.kernels.config import to_config

        return to_config(self)

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        shown = [
            f"{name}={text(value)}"
            for name, value in self.arguments().items()
            if isinstance(value, Tensor) or value != defaults[name].default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

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
