"""Features of a network's last layer."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.features import FeatureMap
from mercer.learn.active.tangent import layers, linear_layers


class LastLayer(FeatureMap):
    """The gradient of a network in the weights of its last layer: the layer's inputs, and one.

    The network is copied, so that the map stays what it is when training goes on.

    Parameters
    ----------
    network : nn.Sequential
        Of linear layers and modules without parameters, with one output and nothing after the last
        linear layer.

    Raises
    ------
    TypeError, ValueError
        If the network is of another kind.

    References
    ----------
    D. Holzmüller et al., "A Framework and Benchmark for Deep Batch Active Learning for
    Regression", section 4.1. https://arxiv.org/abs/2203.09410

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> LastLayer(network)(torch.zeros(3, 1)).shape
    torch.Size([3, 9])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        last = linear_layers(network)[-1]
        if layers(network)[-1] is not last:
            raise ValueError("network must end in its last linear layer, nothing may follow it")
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.dimension = last.in_features + (last.bias is not None)

    def features(self, X: Tensor) -> Tensor:
        """The inputs of the last layer, and one where it has a bias: ``[*batch, n, D]``."""
        *hidden, last = layers(self.network)
        checks.alike("X", X, "network", last.weight)
        h = X
        for module in hidden:
            h = module(h)
        h = h * getattr(last, "weight_factor", 1.0)
        if last.bias is None:
            return h
        one = h.new_full((*h.shape[:-1], 1), getattr(last, "bias_factor", 1.0))
        return torch.cat([h, one], dim=-1)
