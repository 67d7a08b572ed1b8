"""Selections that look at each candidate alone."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.learn.active.selection import Selection


class MaxDiag(Selection):
    """The candidates of the largest ``k(x, x)``, whatever the others are.

    After a posterior transformation that is the largest predictive variance. See
    :class:`Selection` for the parameters.
    """

    positive = False

    def scores(self) -> Tensor:
        """The diagonal."""
        return self.diagonal[: self.n]

    def add(self, i: int) -> None:
        """Nothing changes."""


class Random(Selection):
    """Candidates drawn uniformly without replacement. See :class:`Selection` for the parameters."""

    positive = False

    def prepare(self, count: int) -> None:
        """Draw the whole order."""
        device = None if self.generator is None else self.generator.device
        order = torch.rand(self.n, generator=self.generator, dtype=torch.float64, device=device)
        self.order = order.to(self.K.device)

    def scores(self) -> Tensor:
        """Random numbers."""
        return self.order

    def add(self, i: int) -> None:
        """Nothing changes."""
