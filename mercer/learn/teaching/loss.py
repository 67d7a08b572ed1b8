"""Losses of a learner at one example, and their derivatives in the prediction."""

from __future__ import annotations

import abc
from typing import ClassVar

import torch
from torch import Tensor


class Loss(abc.ABC):
    """A convex loss of a prediction ``f`` and a label ``y``, elementwise.

    Attributes
    ----------
    lipschitz : float
        The Lipschitz constant of its derivative in ``f``; infinite where that jumps.
    """

    lipschitz: ClassVar[float]

    @abc.abstractmethod
    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        """The loss."""

    @abc.abstractmethod
    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """The derivative in ``f``."""


class Square(Loss):
    """``(f - y)^2``.

    Examples
    --------
    >>> Square().derivative(torch.tensor(1.0), torch.tensor(3.0))
    tensor(-4.)
    """

    lipschitz = 2.0

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        """The loss."""
        return (f - y).square()

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """The derivative in ``f``."""
        return 2 * (f - y)


class Logistic(Loss):
    """``log(1 + exp(-y f))`` for labels -1 and 1.

    Examples
    --------
    >>> Logistic().derivative(torch.tensor(0.0), torch.tensor(1.0))
    tensor(-0.5000)
    """

    lipschitz = 0.25

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        """The loss."""
        return torch.nn.functional.softplus(-y * f)

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """The derivative in ``f``."""
        return -y * torch.sigmoid(-y * f)


class Hinge(Loss):
    """``max(0, 1 - y f)`` for labels -1 and 1.

    Examples
    --------
    >>> Hinge().derivative(torch.tensor([0.5, 1.5]), torch.tensor([1.0, 1.0]))
    tensor([-1., -0.])
    """

    lipschitz = float("inf")

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        """The loss."""
        return (1 - y * f).clamp_min(0)

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        """The derivative in ``f``, from below where it jumps."""
        return -y * (y * f < 1)


LOSSES: dict[str, type[Loss]] = {"square": Square, "logistic": Logistic, "hinge": Hinge}
