"""Points at which a function is evaluated, and their weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mercer import checks
from mercer.features.base import check_points
from mercer.features.sampling.space import Space


@dataclass(frozen=True)
class Design:
    r"""Points and the weights of their squared residuals; one design, or a batch of them.

    Parameters
    ----------
    points : Tensor, shape (*batch, n, d)
        In float64.
    weights : Tensor, shape (*batch, n)
        Positive.
    acceptance : float
        The share of drawn designs that met the condition under which these were drawn.

    Examples
    --------
    >>> design = Design(torch.zeros(3, 1), torch.ones(3))
    >>> design.n
    3
    """

    points: Tensor
    weights: Tensor
    acceptance: float = 1.0

    def __post_init__(self) -> None:
        check_points("points", self.points)
        checks.positive("weights", self.weights)
        if self.weights.shape != self.points.shape[:-1]:
            raise ValueError(
                f"weights must have shape {tuple(self.points.shape[:-1])}, as points have, "
                f"got {tuple(self.weights.shape)}"
            )

    @property
    def n(self) -> int:
        """How many points a design has."""
        return self.points.shape[-2]


def weighted_features(space: Space, points: Tensor, weights: Tensor) -> Tensor:
    r"""Rows :math:`\sqrt{w(x_i) / n}\, \phi(x_i)`, with Gram matrix ``G``: ``[*batch, n, m]``."""
    return (weights / points.shape[-2]).sqrt()[..., None] * space(points)


def deviation(gram: Tensor) -> Tensor:
    r"""The spectral norm :math:`\|G - I\|` of Gram matrices ``[*batch, m, m]``: ``[*batch]``."""
    spectrum = torch.linalg.eigvalsh(gram)  # [*batch, m]
    return torch.maximum(1 - spectrum[..., 0], spectrum[..., -1] - 1)
