"""Self-distillation as a spectral profile: refits on ground truth mixed with one's own output."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.spectral import SpectralProfile


@dataclass(frozen=True)
class Distilled(SpectralProfile):
    r"""Ridge regression refitted to mixtures of the targets and its own predictions.

    The refit :math:`t` has the targets :math:`\alpha_t y + (1 - \alpha_t) f_{t-1}(X)`. With the
    shrinkage :math:`s = \lambda / (\lambda + \eta)` of the first fit, :math:`h_0 = s` and

    .. math:: h_t = s \, (\alpha_t + (1 - \alpha_t) h_{t-1}),

    so any number of steps follows from the first fit. Constant weights :math:`\alpha > 0` tend to
    ridge regression with the regularisation :math:`\eta / \alpha`; weights of zero to zero, small
    eigenvalues first.

    Parameters
    ----------
    regularisation : float
        :math:`\eta` of each fit, positive, in units of the eigenvalues of ``K / n``.
    weights : tuple of float
        :math:`\alpha_1, \dots, \alpha_\tau`, in [0, 1]: the weight of the ground truth in each
        refit. Empty for the first fit alone.

    Examples
    --------
    >>> Distilled(1.0, (0.5, 0.5))(torch.tensor([0.0, 1.0, 3.0]))
    tensor([0.0000, 0.3438, 0.6211])

    References
    ----------
    K. Borup, L. N. Andersen, "Even your Teacher Needs Guidance: Ground-Truth Targets Dampen
    Regularization Imposed by Self-Distillation", NeurIPS 2021. https://arxiv.org/abs/2102.13088
    """

    regularisation: float
    weights: tuple[float, ...]
    qualification = 1.0

    def __post_init__(self) -> None:
        checks.positive("regularisation", self.regularisation)
        for alpha in self.weights:
            checks.interval("weights", float(alpha), 0, 1)

    def __call__(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`h`."""
        return eigenvalues * self.filter(eigenvalues)

    def filter(self, eigenvalues: Tensor) -> Tensor:
        """Return :math:`g`."""
        first = 1 / (eigenvalues + self.regularisation)
        shrinkage = eigenvalues * first
        targets = torch.ones_like(eigenvalues)  # what y is multiplied by, as targets of a step
        for alpha in self.weights:
            targets = alpha + (1 - alpha) * shrinkage * targets
        return first * targets
