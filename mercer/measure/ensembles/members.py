"""Networks of one architecture: made from seeds, kept as tables of tensors, asked together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mercer.measure.ensembles import networks

NETWORKS = {"mlp": networks.mlp, "cnn": networks.cnn}
ROWS = 8192  # of a table that go through a network at once

State = dict[str, Tensor]


class Architecture(NamedTuple):
    """What makes a network.

    Parameters
    ----------
    network : {"mlp", "cnn"} or callable
        Its kind, or a function of the numbers of columns and classes.
    hidden : sequence of int
        Widths or channels, where it is a kind.
    features, classes : int
        Columns that come in, and logits that go out.
    """

    network: Any
    hidden: Sequence[int]
    features: int
    classes: int

    def build(self, seed: int) -> nn.Module:
        """A network with weights from a seed."""
        if callable(self.network):
            return networks.build(self.network, self.features, self.classes, seed)
        make = NETWORKS[self.network]
        return networks.build(
            lambda d, C: make(d, C, self.hidden), self.features, self.classes, seed
        )

    def restored(self, state: State) -> nn.Module:
        """The network that a state was taken from, in evaluation mode."""
        network = self.build(0)
        network.load_state_dict(state)
        return network.to(_floating(state)).eval()

    def probabilities(self, states: Sequence[State], points: Tensor) -> Tensor:
        """Probabilities ``[M, n, C]`` of all networks."""
        points = points.to(_floating(states[0]))
        return torch.stack([probabilities(self.restored(state), points) for state in states])


def check_network(network: Any) -> None:
    """Raise ValueError unless it is the name of a kind, or a callable."""
    if not callable(network) and network not in NETWORKS:
        raise ValueError(f"network must be 'mlp', 'cnn' or a callable, got {network!r}")


@torch.no_grad()
def probabilities(network: nn.Module, points: Tensor) -> Tensor:
    """Probabilities ``[n, C]`` of the classes at points ``[n, d]``, block by block."""
    return torch.cat([network(rows).softmax(dim=1) for rows in points.split(ROWS)])


def _floating(state: State) -> Tensor:
    """A tensor of the dtype and device of a network."""
    return next(tensor for tensor in state.values() if tensor.dtype.is_floating_point)
