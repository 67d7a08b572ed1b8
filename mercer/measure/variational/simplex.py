"""The probability simplex."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.linalg import nearest_distribution
from mercer.measure.variational.mirror import Mirror, reciprocal

MARGIN = 1e-8  # of projections: most scores are infinite at the border


class Simplex(Mirror):
    r"""The entropic map :math:`\psi(\theta) = \sum_a \theta_a \log \theta_a` of the simplex.

    Points have all :math:`d + 1` coordinates, which are positive and sum to one; the free
    coordinates are the first ``d``. A target's log density is a function of all of them, any smooth
    one that is right on the simplex: what its gradient holds across the simplex drops out.

    Examples
    --------
    >>> Simplex().to_primal(torch.zeros(1, 3))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """

    def check(self, name: str, X: Tensor) -> Tensor:
        """Return the points if they are positive and sum to one, else raise."""
        super().check(name, X)
        if X.shape[-1] < 2:
            raise ValueError(f"{name} must have at least two coordinates, got {X.shape[-1]}")
        for i, sum_ in enumerate(X.sum(-1).tolist()):
            if abs(sum_ - 1) > 1e-4 or not bool((X[i] > 0).all()):
                raise ValueError(
                    f"{name} must be positive with rows that sum to one, got a least entry of "
                    f"{X[i].min().item():g} and a sum of {sum_:g} in row {i}"
                )
        return X

    def to_dual(self, X: Tensor) -> Tensor:
        """Logarithms of ratios to the last coordinate."""
        self.check("X", X)
        return X[:, :-1].log() - X[:, -1:].log()

    def to_primal(self, eta: Tensor) -> Tensor:
        """The softmax, with a zero for the last coordinate."""
        return torch.cat([eta, eta.new_zeros(len(eta), 1)], -1).softmax(-1)

    def coordinates(self, X: Tensor) -> Tensor:
        """The first ``d``."""
        return X[:, :-1]

    def project(self, theta: Tensor) -> Tensor:
        """The nearest points in all coordinates, a little inside."""
        X = torch.cat([theta, 1 - theta.sum(-1, keepdim=True)], -1)
        inner = 1 - X.shape[-1] * MARGIN
        return MARGIN + inner * nearest_distribution((X - MARGIN) / inner)

    def score(self, S: Tensor) -> Tensor:
        """The last coordinate falls as another grows."""
        return S[:, :-1] - S[:, -1:]

    def natural_score(self, X: Tensor, S: Tensor) -> Tensor:
        """Without differences of scores, which are huge near the border."""
        pull = X * S
        return (pull - X * pull.sum(-1, keepdim=True))[:, :-1]

    def inverse_hessian(self, X: Tensor) -> Tensor:
        r""":math:`\operatorname{diag} \theta - \theta \theta^\top`."""
        theta = self.coordinates(X)
        return torch.diag_embed(theta) - theta[:, :, None] * theta[:, None, :]

    def hessian(self, X: Tensor) -> Tensor:
        r""":math:`\operatorname{diag} \theta^{-1} + 1 / \theta_{d+1}`."""
        ratio = reciprocal(X)
        return torch.diag_embed(ratio[:, :-1]) + ratio[:, -1:, None]

    def divergence(self, X: Tensor) -> Tensor:
        r""":math:`1 - (d + 1) \theta`."""
        return 1 - X.shape[-1] * self.coordinates(X)
