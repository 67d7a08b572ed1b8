"""A draw of the mixing measure of a mixture."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mercer.measure.targets import GaussianMixture


class MixingMeasure(NamedTuple):
    """Weighted parameters of normal components.

    Examples
    --------
    >>> G = MixingMeasure(torch.tensor([0.9, 0.1]), torch.tensor([[0.0], [5.0]]), torch.ones(1, 1))
    >>> G.mass_beyond(torch.tensor([[0.0]]), 3.0)
    tensor(0.1000)
    """

    weights: Tensor  # [k], sum to one
    means: Tensor  # [k, d]
    covariances: Tensor  # [k, d, d], or [d, d] if all are one

    def density(self) -> GaussianMixture:
        """The law of the data under it."""
        return GaussianMixture(self.means, self.covariances, self.weights)

    def mass_beyond(self, support: Tensor, distance: float) -> Tensor:
        """Mass of the means farther than ``distance`` from all points ``[m, d]`` of a support."""
        near = torch.cdist(self.means, support.to(self.means)).min(dim=1).values
        return self.weights[near > distance].sum()
