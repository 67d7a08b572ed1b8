"""The problem that every solver is given, and what every solver gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from mercer.kernels import Kernel
from mercer.operators import Operator

State = dict[str, Tensor]
OnStep = Callable[[dict[str, Any], Callable[[], State]], None]
"""Called after each step with a record for people and a function that gives the state so far."""


@dataclass(frozen=True)
class Problem:
    r"""Kernel ridge regression: minimise :math:`\sum_i w_i |y_i - f(x_i)|^2 + \lambda |f|_k^2`.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Points.
    Y : Tensor, shape (n, c)
        Centred targets, one column an output.
    weights : Tensor, shape (n,)
        Positive; a whole number counts as that many copies of the row.
    kernel : Kernel
        ``k``.
    regularisations : tuple of float
        Candidate values of ``lambda``; a solver that cannot compare them is given one.
    centers : Tensor, shape (m, d), or None
        Points that ``f`` is spanned by; None for the rows themselves.
    validation : Tensor of int64, shape (v,), or None
        Rows whose errors are measured while they are left out.
    precision : {"highest", "high", "medium"}
        Of the kernel's entries, see :func:`mercer.engine.reduce`.
    tolerance : float or None
        Relative residual at which an iteration stops; None for the solver's own.
    max_iterations : int or None
        Most iterations; None for the solver's own.
    epochs : int or None
        Passes over the rows, for stochastic methods.
    memory_budget : float
        Bytes that a solver may keep.
    seed : int
        Of every random choice in the solver.
    """

    X: Tensor
    Y: Tensor
    weights: Tensor
    kernel: Kernel
    regularisations: tuple[float, ...]
    centers: Tensor | None = None
    validation: Tensor | None = None
    precision: str = "highest"
    tolerance: float | None = None
    max_iterations: int | None = None
    epochs: int | None = None
    memory_budget: float = 4e9
    seed: int = 0

    @property
    def regularisation(self) -> float:
        """The candidate in the middle."""
        return self.regularisations[len(self.regularisations) // 2]

    def operator(self, X: Tensor, Y: Tensor | None = None) -> Operator:
        """``K`` between two sets of points."""
        return self.kernel(X, Y, precision=self.precision)

    def generator(self) -> torch.Generator:
        """A fresh generator on the device of the points."""
        return torch.Generator(self.X.device).manual_seed(self.seed)

    def split(self) -> tuple[Tensor, Tensor]:
        """Rows to learn from and rows to validate on."""
        every = torch.arange(len(self.X), device=self.X.device)
        if self.validation is None:
            return every, every[:0]
        kept = torch.ones(len(self.X), dtype=torch.bool, device=self.X.device)
        kept[self.validation] = False
        return every[kept], self.validation


class HeldOut(NamedTuple):
    """Predictions for rows by models that had not seen them."""

    rows: Tensor  # [v]
    predictions: Tensor  # [v, c], of the centred targets
    how: str


@dataclass(frozen=True)
class Fitted:
    """``f(x) = sum_j k(x, center_j) coefficient_j`` and how it was found."""

    centers: Tensor  # [p, d]
    coefficients: Tensor  # [p, c]
    regularisation: float
    iterations: int
    converged: bool
    why: str
    held_out: HeldOut | None = None


class Solver(Protocol):
    """Solves a :class:`Problem`, from the start or from a state that an earlier run left."""

    def __call__(
        self, problem: Problem, state: State | None = None, on_step: OnStep | None = None
    ) -> Fitted:
        """Return the solution."""
        ...
