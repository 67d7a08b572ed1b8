"""Random features of a finite network's tangent kernel."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mercer.features import FeatureMap
from mercer.learn.active.khatri_rao import project, projections
from mercer.learn.active.tangent import ROWS, linear_layers, tangent_factors


class SketchedGradient(FeatureMap):
    r"""A random projection of the gradient of a network in all its weights.

    With :math:`u_l, v_l \sim N(0, I)` one feature is
    :math:`\sum_l (u_l \cdot a_l(x)) (v_l \cdot \partial f / \partial z_l(x))`, the sum over linear
    layers :math:`z_l = W_l a_l`; D of them, over :math:`\sqrt{D}`, have the finite-width neural
    tangent kernel as the mean of their inner products. The network is copied.

    Parameters
    ----------
    network : nn.Sequential
        Of linear layers and modules without parameters, with one output.
    dimension : int
        ``D``.
    generator : torch.Generator, optional
        Where the projections come from.

    Raises
    ------
    TypeError, ValueError
        If the network is of another kind or ``dimension`` is below 1.

    References
    ----------
    D. Holzmüller et al., "A Framework and Benchmark for Deep Batch Active Learning for
    Regression", section 4.2. https://arxiv.org/abs/2203.09410

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> SketchedGradient(network, 16)(torch.zeros(3, 1)).shape
    torch.Size([3, 16])
    """

    def __init__(
        self, network: nn.Module, dimension: int, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        linear = linear_layers(network)
        widths = [(x.in_features + (x.bias is not None), x.out_features) for x in linear]
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.dimension = dimension
        for k, (G, H) in enumerate(projections(widths, dimension, generator)):
            self.register_buffer(f"of_input_{k}", G)  # [p + 1, D]
            self.register_buffer(f"of_output_{k}", H)  # [q, D]

    def features(self, X: Tensor) -> Tensor:
        """Features by blocks of rows, ``[*batch, n, D]``; they carry no gradient in ``X``."""
        count = len(linear_layers(self.network))
        drawn = [
            (self.get_buffer(f"of_input_{k}").to(X), self.get_buffer(f"of_output_{k}").to(X))
            for k in range(count)
        ]
        points = X.reshape(-1, X.shape[-1])
        out = [project(tangent_factors(self.network, x), drawn) for x in points.split(ROWS)]
        return torch.cat(out).reshape(*X.shape[:-1], self.dimension)
