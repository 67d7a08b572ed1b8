"""Learning profiles: how much of each spectral component an algorithm learns."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer import checks


class SpectralProfile(abc.ABC):
    r"""What a spectral algorithm learns of the component with eigenvalue :math:`\lambda`.

    The algorithm fits :math:`f(x) = k(x, X)\, \tfrac1n g(\tfrac1n K)\, y` with
    :math:`g(\lambda) = h(\lambda) / \lambda`; its fit at the points of the sample is
    :math:`h(\tfrac1n K)\, y`. A subclass defines ``__call__``, which is :math:`h`.

    Attributes
    ----------
    qualification : float
        The largest :math:`q` with
        :math:`1 - h(\lambda) = O(\lambda^{-q})` for :math:`\lambda` above the learning scale:
        targets smoother than that gain nothing more (saturation). Infinite for no saturation.

    References
    ----------
    M. Velikanov, M. Panov, D. Yarotsky, "Generalization error of spectral algorithms", ICLR 2024.
    https://arxiv.org/abs/2403.11696
    F. Bauer, S. Pereverzev, L. Rosasco, "On regularization algorithms in learning theory", Journal
    of Complexity 2007. https://doi.org/10.1016/j.jco.2006.07.001
    """

    qualification: float = math.inf

    @abc.abstractmethod
    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`h`, in [0, 1], at eigenvalues of ``K / n``, at least 0, of any shape."""

    def filter(self, eigenvalues: Tensor) -> Tensor:
        r"""Return :math:`g(\lambda) = h(\lambda) / \lambda`; at zero its limit from above."""
        # h is linear below the learning scale, so that its slope at a tiny value is the limit.
        least = torch.finfo(eigenvalues.dtype).tiny ** 0.5
        floored = eigenvalues.clamp_min(least)
        return self(floored) / floored


@dataclass(frozen=True)
class Ridge(SpectralProfile):
    r"""Kernel ridge regression: :math:`h(\lambda) = \lambda / (\lambda + \eta)`.

    It minimises :math:`\tfrac1n \sum_i (y_i - f(x_i))^2 + \eta \|f\|_k^2`. Qualification 1.

    Parameters
    ----------
    regularisation : float
        :math:`\eta`, positive, in units of the eigenvalues of ``K / n``.

    Examples
    --------
    >>> Ridge(1.0)(torch.tensor([0.0, 1.0, 3.0]))
    tensor([0.0000, 0.5000, 0.7500])
    """

    regularisation: float
    qualification = 1.0

    def __post_init__(self) -> None:
        checks.positive("regularisation", self.regularisation)

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`h`."""
        return eigenvalues / (eigenvalues + self.regularisation)

    def filter(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`g`."""
        return 1 / (eigenvalues + self.regularisation)


@dataclass(frozen=True)
class IteratedTikhonov(SpectralProfile):
    r"""Ridge regression fitted again to what it left over, ``iterations`` times in all.

    .. math:: h(\lambda) = 1 - (\eta / (\lambda + \eta))^m

    Qualification :math:`m`, the number of iterations.

    Parameters
    ----------
    regularisation : float
        :math:`\eta` of each fit, positive, in units of the eigenvalues of ``K / n``.
    iterations : int, at least 1

    Examples
    --------
    >>> IteratedTikhonov(1.0, 2)(torch.tensor([0.0, 1.0, 3.0]))
    tensor([0.0000, 0.7500, 0.9375])
    """

    regularisation: float
    iterations: int

    def __post_init__(self) -> None:
        checks.positive("regularisation", self.regularisation)
        checks.count("iterations", self.iterations)

    @property
    def qualification(self) -> float:  # type: ignore[override]
        """The number of iterations."""
        return float(self.iterations)

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`h`."""
        return -torch.expm1(-self.iterations * torch.log1p(eigenvalues / self.regularisation))


@dataclass(frozen=True)
class GradientFlow(SpectralProfile):
    r"""Gradient descent with infinitesimal steps: :math:`h(\lambda) = 1 - e^{-t \lambda}`.

    Parameters
    ----------
    time : float
        :math:`t`, positive; its inverse is the learning scale.

    Examples
    --------
    >>> GradientFlow(1.0)(torch.tensor([0.0, 1.0, 3.0]))
    tensor([0.0000, 0.6321, 0.9502])
    """

    time: float

    def __post_init__(self) -> None:
        checks.positive("time", self.time)

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`h`."""
        return -torch.expm1(-self.time * eigenvalues)


@dataclass(frozen=True)
class GradientDescent(SpectralProfile):
    r"""Gradient descent on the squared error: :math:`h(\lambda) = 1 - (1 - \gamma \lambda)^T`.

    Parameters
    ----------
    step : float
        :math:`\gamma`, positive, at most one over the largest eigenvalue of ``K / n``.
    iterations : int, at least 1
        :math:`T`.

    Raises
    ------
    ValueError
        When called with an eigenvalue that the step is too long for.

    Examples
    --------
    >>> GradientDescent(0.25, 2)(torch.tensor([0.0, 1.0, 3.0]))
    tensor([0.0000, 0.4375, 0.9375])
    """

    step: float
    iterations: int

    def __post_init__(self) -> None:
        checks.positive("step", self.step)
        checks.count("iterations", self.iterations)

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`h`."""
        eps = torch.finfo(eigenvalues.dtype).eps
        reached = self.step * eigenvalues
        if checks.concrete(reached) and bool((reached > 1 + 100 * eps).any()):
            raise ValueError(
                f"step must be at most 1 / {float(eigenvalues.max()):g}, one over the largest "
                f"eigenvalue of K / n, got {self.step:g}"
            )
        return -torch.expm1(self.iterations * torch.log1p(-reached.clamp_max(1)))


@dataclass(frozen=True)
class CutOff(SpectralProfile):
    r"""Spectral cut-off, principal component regression: all from ``threshold`` up, else nothing.

    Parameters
    ----------
    threshold : float
        Positive, in units of the eigenvalues of ``K / n``.

    Examples
    --------
    >>> CutOff(1.0)(torch.tensor([0.0, 1.0, 3.0]))
    tensor([0., 1., 1.])
    """

    threshold: float

    def __post_init__(self) -> None:
        checks.positive("threshold", self.threshold)

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`h`."""
        return (eigenvalues >= self.threshold).to(eigenvalues.dtype)
