"""What all greedy selections share: a state, a score for each candidate, and how a point joins."""

from __future__ import annotations

from functools import singledispatch
from typing import ClassVar

import torch
from torch import Tensor

from mercer import checks
from mercer.operators import LowRank, Operator


class Selection:
    """The state of a greedy selection; a method writes :meth:`scores` and :meth:`add`.

    Parameters
    ----------
    K : Operator, shape (N, N)
        Inner products of all points: ``n`` candidates first, then ``chosen`` points that are
        selected already, then points that only count where a method averages over all.
    n, chosen : int
        How many there are of them.
    generator : torch.Generator, optional
        Of the methods that draw.

    Attributes
    ----------
    chosen_take_part : bool
        Whether points that are chosen before belong to the method as its paper uses it.
    positive : bool
        Whether a score of zero says that a candidate adds nothing.
    removes : bool
        Whether selected points can be removed: :meth:`losses` and :meth:`remove` are written.
    """

    chosen_take_part: ClassVar[bool] = False
    positive: ClassVar[bool] = True
    removes: ClassVar[bool] = False

    def __init__(
        self, K: Operator, n: int, chosen: int, generator: torch.Generator | None = None
    ) -> None:
        self.n, self.chosen, self.generator = n, chosen, generator
        self.everything = K
        size = n + chosen
        self.K = K if size == K.n else K[:size, :size]
        diagonal = checks.finite("the diagonal of K", self.K.diagonal())
        self.diagonal = diagonal.clone()  # [n + chosen]
        self.taken = torch.zeros(n, dtype=torch.bool, device=K.device)

    def prepare(self, count: int) -> None:
        """Take in the points chosen before, and make room for ``count`` more."""
        for i in range(self.n, self.n + self.chosen):
            self.add(i)

    def scores(self) -> Tensor:
        """What each candidate would add, ``[n]``; the largest is next."""
        raise NotImplementedError(f"{type(self).__name__} must define scores")

    def add(self, i: int) -> None:
        """Take in point ``i`` of the candidates and the chosen."""
        raise NotImplementedError(f"{type(self).__name__} must define add")

    def losses(self, selected: list[int]) -> Tensor:
        """What is lost where one of the selected candidates is removed, ``[len(selected)]``."""
        raise NotImplementedError(f"{type(self).__name__} cannot remove points")

    def remove(self, i: int) -> None:
        """Undo :meth:`select`."""
        raise NotImplementedError(f"{type(self).__name__} cannot remove points")

    def next(self) -> int | None:
        """The candidate to be selected next, or ``None`` where none would add anything."""
        scores = self.scores().masked_fill(self.taken, -torch.inf)
        best = int(scores.argmax())
        value = float(scores[best])
        # NaN compares false and ends the selection too.
        return best if (value > 0 if self.positive else value > -torch.inf) else None

    def select(self, i: int) -> None:
        """Add candidate ``i`` and take it out of the candidates."""
        self.add(i)
        self.taken[i] = True


@singledispatch
def column(K: Operator, i: int) -> Tensor:
    """Column ``i`` of an operator, ``[n]``."""
    return K[:, i : i + 1].dense()[:, 0]


@column.register
def _(K: LowRank, i: int) -> Tensor:
    return K.A @ K.B[i]


def features_of(K: Operator, what: str) -> Tensor:
    """The features ``[n, D]`` of a ``LowRank`` matrix of inner products, else an error."""
    if isinstance(K, LowRank) and K.A is K.B:
        return K.A
    raise TypeError(
        f"{what} needs features, a LowRank operator A A^T, got {type(K).__name__}; sketch it first"
    )
