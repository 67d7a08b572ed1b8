"""What an Orlicz function is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class OrliczFunction(ABC):
    r"""A convex, increasing :math:`\Phi` with :math:`\Phi(0) = 0` and no bound.

    Two laws are used throughout: :math:`\Phi(\theta t) \le \theta \Phi(t)` for
    :math:`\theta \in [0, 1]`, since the graph lies below its chords from the origin, and Jensen's
    inequality :math:`\Phi(E t) \le E \Phi(t)`.

    References
    ----------
    A. Guha, N. Ho, X. Nguyen, "On Excess Mass Behavior in Gaussian Mixture Models with
    Orlicz-Wasserstein Distances". https://arxiv.org/abs/2301.11496
    """

    @abstractmethod
    def __call__(self, t: Tensor) -> Tensor:
        """Values at ``t >= 0``, of any shape; differentiable."""

    @abstractmethod
    def inverse(self, value: Tensor) -> Tensor:
        """Where the function takes values ``>= 0``, in the shape of ``value``."""
