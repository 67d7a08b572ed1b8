"""The problem that every solver is given, and what every solver gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from mercer.distributed import Ranks, shard
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
    ranks : Ranks or None
        The processes that solve it together; all have the same problem.
    device : torch.device
        Where to compute, and where ``centers`` are; by default where ``X`` is.
    streamed : bool
        Whether ``X``, ``Y`` and ``weights`` stay where they are and come to the device by blocks.
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
    ranks: Ranks | None = None
    device: torch.device = None  # type: ignore[assignment]
    streamed: bool = False

    def __post_init__(self) -> None:
        if self.device is None:
            object.__setattr__(self, "device", self.X.device)

    @property
    def regularisation(self) -> float:
        """The candidate in the middle."""
        return self.regularisations[len(self.regularisations) // 2]

    def operator(self, X: Tensor, Y: Tensor | None = None) -> Operator:
        """``K`` between two sets of points.

        Where the rows themselves are the centres, the matrix of all of them is the large one: its
        rows are divided over the ranks.
        """
        K = self.kernel(X, Y, precision=self.precision)
        if self.ranks is None or self.centers is not None or Y is not None:
            return K
        return shard(K, self.ranks)

    def own(self, rows: Tensor) -> Tensor:
        """The part of ``rows`` that this process works on: all of them where it is alone."""
        if self.ranks is None:
            return rows
        return rows[self.ranks.part(self.ranks.sizes(len(rows)))]

    def total(self, part: Tensor) -> Tensor:
        """The sum over processes of what each made of its own rows."""
        return part if self.ranks is None else self.ranks.sum(part)

    def generator(self) -> torch.Generator:
        """A fresh generator on the device of the computation."""
        return torch.Generator(self.device).manual_seed(self.seed)

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
