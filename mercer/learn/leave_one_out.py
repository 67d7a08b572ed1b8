"""Leave-one-out predictions of kernel ridge regression in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class LeaveOneOut:
    r"""The whole regularisation path of leave-one-out residuals from one eigendecomposition.

    With :math:`C = K + \lambda W^{-1}`, the residual of row i under the model fitted without it is
    :math:`[C^{-1} y]_i / [C^{-1}]_{ii}`.

    Parameters
    ----------
    K : Tensor, shape (n, n)
        Positive semidefinite, float64.
    Y : Tensor, shape (n, c)
        Centred targets; their mean counts as known.
    weights : Tensor, shape (n,)
        Positive.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, section 5.4.2.
    https://gaussianprocess.org/gpml/

    Examples
    --------
    >>> K = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    >>> y = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    >>> LeaveOneOut(K, y, torch.ones(2, dtype=torch.float64)).residuals(1.0)
    tensor([[0.2500],
            [2.7500]], dtype=torch.float64)
    """

    def __init__(self, K: Tensor, Y: Tensor, weights: Tensor) -> None:
        self.Y, self.weights = Y, weights
        root = weights.sqrt()[:, None]
        values, self.Q = torch.linalg.eigh(root * K * root.mT)
        self.values = values.clamp_min(0)
        self.root = root
        self._QY = self.Q.mT @ (root * Y)  # [n, c]
        self._Q2 = self.Q.square()

    def residuals(self, regularisation: float) -> Tensor:
        """``[n, c]``: target minus the prediction by all other rows."""
        return self._path([regularisation])[:, :, 0]

    def errors(self, regularisations: Sequence[float]) -> list[float]:
        """Weighted means of squared leave-one-out residuals, summed over outputs."""
        squared = self._path(regularisations).square().sum(dim=1)  # [n, L]
        return (self.weights @ squared / self.weights.sum()).tolist()

    def best(self, regularisations: Sequence[float]) -> tuple[float, float]:
        """The regularisation with the least error, the larger of equals, and its error."""
        errors = self.errors(regularisations)
        least = min(errors)
        value = max(v for v, error in zip(regularisations, errors) if error <= least * (1 + 1e-9))
        return value, least

    def _path(self, regularisations: Sequence[float]) -> Tensor:
        """``[n, c, L]``: residuals for each regularisation."""
        values = torch.tensor(regularisations, dtype=self.values.dtype, device=self.values.device)
        shrink = 1 / (self.values[:, None] + values)  # [n, L]
        weighted = self._QY[:, :, None] * shrink[:, None, :]  # [n, c, L]
        alpha = self.root[:, :, None] * (self.Q @ weighted.flatten(1)).view_as(weighted)
        diagonal = self.weights[:, None] * (self._Q2 @ shrink)  # [n, L]
        return alpha / diagonal[:, None, :]
