"""A linear layer in the parametrisation of neural tangent kernels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mercer import checks


class TangentLinear(nn.Linear):
    r""":math:`z = \sigma_w W a / \sqrt{p} + \sigma_b b`, at first with W standard normal, b zero.

    The parameters are of order one whatever the width, so that a step of one learning rate moves
    the function as much in wide as in narrow networks.

    Parameters
    ----------
    in_features, out_features : int
        ``p`` and ``q``.
    weight_gain, bias_gain : float
        :math:`\sigma_w` and :math:`\sigma_b`, positive.
    generator : torch.Generator, optional
        Of the weights.

    References
    ----------
    A. Jacot, F. Gabriel, C. Hongler, "Neural Tangent Kernel". https://arxiv.org/abs/1806.07572

    Examples
    --------
    >>> TangentLinear(4, 2, weight_gain=1.0).weight_factor
    0.5
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        weight_gain: float = 1.0,
        bias_gain: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_features, out_features)
        gain = float(checks.positive("weight_gain", weight_gain))
        self.weight_factor = gain / math.sqrt(in_features)
        self.bias_factor = float(checks.positive("bias_gain", bias_gain))
        with torch.no_grad():
            self.weight.copy_(torch.randn(out_features, in_features, generator=generator))
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """``[*, p] -> [*, q]``."""
        z = x @ (self.weight_factor * self.weight).mT
        return z + self.bias_factor * self.bias
