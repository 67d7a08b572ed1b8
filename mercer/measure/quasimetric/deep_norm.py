"""Deep Norm: an asymmetric norm of the difference, by a network."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.measure.quasimetric.difference_norm import DifferenceNorm
from mercer.measure.quasimetric.reduction import Reduction


class DeepNorm(DifferenceNorm):
    r"""An asymmetric norm of :math:`z = x - y`, by an input-convex network.

    .. math:: h_1 = (U_1 z)_+, \qquad h_{l+1} = (|W_l| h_l + U_{l+1} z)_+,

    the components being the last layer. With weights that are not negative between layers each is
    convex and homogeneous in z, hence a quasimetric.

    Parameters
    ----------
    dimension : int
        D, of the latent vectors.
    components : int
        Width of each layer.
    layers : int
        How many.
    lines : int
        Of a :class:`ConcaveActivation` of the components; 0 for none, which keeps homogeneity.
    reduction : {"maxmean", "sum", "mean", "max"}
        Of the components.
    generator : torch.Generator, optional
        Of the initial weights.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    S. Pitis, H. Chan, K. Jamali, J. Ba, An Inductive Bias for Distances: Neural Nets that Respect
    the Triangle Inequality. https://arxiv.org/abs/2002.05825

    Examples
    --------
    >>> d = DeepNorm(8, 16, generator=torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in d.parameters())
    1041
    """

    def __init__(
        self,
        dimension: int,
        components: int,
        *,
        layers: int = 3,
        lines: int = 5,
        reduction: Reduction = "maxmean",
        generator: torch.Generator | None = None,
    ) -> None:
        L = checks.count("layers", layers)
        shapes = [(components, dimension)] * L + [(components, components)] * (L - 1)
        super().__init__(
            dimension, components, shapes, lines=lines, reduction=reduction, generator=generator
        )

    def norms(self, z: Tensor) -> Tensor:
        """``[*s, K]``, the last layer."""
        weights = list(self.weights)
        layers = (len(weights) + 1) // 2
        inward, onward = weights[:layers], weights[layers:]
        h = (z @ inward[0].mT).relu()
        for U, W in zip(inward[1:], onward):
            h = (h @ W.abs().mT + z @ U.mT).relu()
        return h
