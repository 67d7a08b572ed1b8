"""Selections by the distance to the nearest selected point."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from mercer.learn.active.selection import Selection, column

ENTRIES = 2**23  # of a block of distances to points chosen before


class MaxDist(Selection):
    r"""The candidate farthest from all selected points: greedy k-centre, farthest-first traversal.

    Distances are those of features, :math:`d(x, y)^2 = k(x, x) + k(y, y) - 2 k(x, y)`. Without
    points chosen before, the candidate of the largest :math:`k(x, x)` is first. A selected point is
    a centre, and every candidate belongs to the cluster of its nearest one. See
    :class:`Selection` for the parameters.

    References
    ----------
    O. Sener, S. Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set
    Approach". https://arxiv.org/abs/1708.00489

    Examples
    --------
    >>> from mercer.operators import LowRank
    >>> walk = MaxDist(LowRank(torch.tensor([[0.0], [1.0], [5.0], [2.0]])), 3, 1)
    >>> walk.prepare(1)
    >>> walk.next()
    2
    """

    chosen_take_part: ClassVar[bool] = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.distance = self.diagonal.new_full((self.n,), torch.inf)  # squared, to the centre
        self.centre = torch.zeros(self.n, dtype=torch.long, device=self.K.device)
        self.centres = 0

    def prepare(self, count: int) -> None:
        """Distances to the points chosen before, by blocks of matrix products."""
        step = max(ENTRIES // self.n, 1)
        for start in range(self.n, self.n + self.chosen, step):
            block = slice(start, min(start + step, self.n + self.chosen))
            cross = self.K[: self.n, block].dense()  # [n, block]
            squared = self.diagonal[: self.n, None] + self.diagonal[block] - 2 * cross
            nearest, centre = squared.min(dim=1)
            self._approach(nearest, centre + self.centres)
            self.centres += block.stop - block.start

    def add(self, i: int) -> None:
        """Make a point a centre."""
        to_i = column(self.K, i)[: self.n]
        squared = self.diagonal[: self.n] + self.diagonal[i] - 2 * to_i
        self._approach(squared, self.centres)
        self.centres += 1

    def _approach(self, squared: Tensor, centre: Tensor | int) -> None:
        """Move candidates to a centre that is nearer; rounding leaves no distance below zero."""
        squared = squared.clamp_(min=0.0)
        nearer = squared < self.distance
        centre = torch.as_tensor(centre, device=self.centre.device)
        self.centre = torch.where(nearer, centre, self.centre)
        self.distance = torch.minimum(self.distance, squared)

    def scores(self) -> Tensor:
        """The squared distance to the nearest centre."""
        return self.distance if self.centres else self.diagonal[: self.n]


class LargestCluster(MaxDist):
    r"""The candidate farthest from its centre in the largest cluster, LCMD.

    The size of a cluster is the sum of squared distances to its centre. See :class:`Selection` for
    the parameters.

    References
    ----------
    D. Holzmüller et al., "A Framework and Benchmark for Deep Batch Active Learning for
    Regression", section 5. https://arxiv.org/abs/2203.09410
    """

    def scores(self) -> Tensor:
        """The squared distance in the largest cluster, minus infinity elsewhere."""
        if not self.centres:
            return self.diagonal[: self.n]
        size = torch.bincount(self.centre, self.distance, minlength=self.centres)
        return self.distance.masked_fill(self.centre != size.argmax(), -torch.inf)


class KMeansPlusPlus(MaxDist):
    """A candidate drawn with probability proportional to the squared distance to its centre.

    Without points chosen before, the first is drawn uniformly. See :class:`Selection` for the
    parameters.

    References
    ----------
    D. Arthur, S. Vassilvitskii, "k-means++: The Advantages of Careful Seeding".
    https://theory.stanford.edu/~sergei/papers/kMeansPP-soda.pdf
    """

    def scores(self) -> Tensor:
        """Weights of the draw."""
        return self.distance if self.centres else torch.ones_like(self.distance)

    def next(self) -> int | None:
        """Draw by the inverse of the distribution function, in float64."""
        cumulative = self.scores().masked_fill(self.taken, 0.0).double().cumsum(0)
        total = cumulative[-1]
        if not float(total) > 0:
            return None
        device = None if self.generator is None else self.generator.device
        u = torch.rand((), generator=self.generator, dtype=torch.float64, device=device)
        # A sum never reaches above its total, but the draw may reach it by rounding.
        drawn = torch.searchsorted(cumulative, u.to(total) * total, right=True)
        return min(int(drawn), int((cumulative < total).sum()))
