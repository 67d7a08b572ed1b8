"""Training an ensemble, each network away from those before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mercer.measure.ensembles.members import State, probabilities
from mercer.measure.ensembles.train import Descent, FunctionSpace, train_member


def train_greedily(
    networks: Iterable[nn.Module],
    X: Tensor,
    y: Tensor,
    space: FunctionSpace,
    descent: Descent,
    *,
    epochs: int,
    generator: torch.Generator,
    report: Callable[[dict[str, Any]], None],
) -> Iterator[State]:
    """Train networks one after the other; the tensors of each come when it is trained.

    Parameters
    ----------
    networks : iterable of nn.Module
        Not trained; each is asked for when those before it are.
    X, y : Tensor, shapes (n, d) and (n,)
        Data, and classes as integers.
    space : FunctionSpace
        Where functions are compared.
    descent : Descent
        How to descend.
    epochs : int
        Of all networks together, for the records.
    generator : torch.Generator
        Of the batches.
    report : callable
        Given a record after each epoch.
    """
    P = space.inputs.new_empty((0, len(space.inputs), int(y.max()) + 1))  # of those before
    for m, network in enumerate(networks):

        def tell(epoch: int, loss: float, apart: float, m: int = m) -> None:
            step = {"iteration": m * descent.epochs + epoch + 1, "member": m + 1}
            report({**step, "of": epochs, "loss": loss, "diversity": apart})

        train_member(network, X, y, P, space, descent, generator=generator, report=tell)
        P = torch.cat([P, probabilities(network, space.inputs)[None]])
        yield {name: value.detach() for name, value in network.state_dict().items()}
