"""Selection by the mean posterior variance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer.learn.active.max_det import at_least_zero
from mercer.learn.active.selection import Selection, features_of


class Bait(Selection):
    r"""The candidate that lowers the sum of the posterior variances of all points most.

    With the posterior covariance P of the weights, selecting x takes
    :math:`\sum_y (\phi_y^T P \phi_x)^2 / (\phi_x^T P \phi_x + \sigma^2)` off the sum. Features
    stay as they are and only the D x D matrix P changes, so a step is one product with them.

    Parameters
    ----------
    *args, **options
        See :class:`Selection`; the operator must be ``LowRank``.
    noise_variance : float
        :math:`\sigma^2`, at least 0, in the units of the kernel.

    References
    ----------
    J. T. Ash et al., "Gone Fishing: Neural Active Learning with Fisher Embeddings".
    https://arxiv.org/abs/2106.09675
    """

    removes = True

    def __init__(self, *args: Any, noise_variance: float = 0.0, **options: Any) -> None:
        super().__init__(*args, **options)
        self.noise_variance = at_least_zero("noise_variance", noise_variance)
        everything = features_of(self.everything, "bait")
        self.features = everything[: self.n + self.chosen]
        self.moment = everything.mT @ everything  # C = sum_y phi_y phi_y^T, [D, D]
        self.covariance = torch.eye(len(self.moment)).to(self.moment)  # P
        self.gain = ((self.features @ self.moment) * self.features).sum(1)  # phi^T P C P phi

    def scores(self) -> Tensor:
        """What the sum of posterior variances loses."""
        gain, variance = self.gain[: self.n], self.diagonal[: self.n]
        return gain / (variance + self.noise_variance).clamp(min=torch.finfo(gain.dtype).tiny)

    def add(self, i: int) -> None:
        """Condition on point ``i``."""
        self._update(i, float(self.diagonal[i]) + self.noise_variance)

    def remove(self, i: int) -> None:
        """Undo the conditioning on point ``i``: that on a noise variance of the other sign."""
        self._update(i, float(self.diagonal[i]) - self.noise_variance)
        self.taken[i] = False

    def losses(self, selected: list[int]) -> Tensor:
        """What the sum of posterior variances gains where one selected point is removed."""
        # A selected point has less variance left than the noise.
        return self.gain[selected] / (self.noise_variance - self.diagonal[selected])

    def _update(self, i: int, pivot: float) -> None:
        direction = self.covariance @ self.features[i]  # P phi_i
        moved = self.covariance @ (self.moment @ direction)  # P C P phi_i
        with_i, gains = (self.features @ torch.stack([direction, moved], dim=1)).unbind(1)
        scaled = with_i / pivot
        self.gain += scaled * (scaled * self.gain[i].clone() - 2 * gains)
        self.diagonal -= with_i * scaled
        self.covariance -= torch.outer(direction, direction) / pivot
