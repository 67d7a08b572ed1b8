"""Training one more member of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mercer.kernels import Kernel
from mercer.measure.ensembles.diversity import diversity
from mercer.measure.ensembles.function_space import function_points


class FunctionSpace(NamedTuple):
    r"""Where functions are compared, and how.

    Parameters
    ----------
    inputs : Tensor, shape (N, d)
        Of the norm of functions.
    weights : Tensor, shape (N,)
        Of the inputs in the norm, positive.
    kernel : Kernel
        Of functions in that norm.
    strength : float
        :math:`\lambda`, of the diversity beside the loss; at least 0.
    batch_size : int
        Inputs of a step.
    """

    inputs: Tensor
    weights: Tensor
    kernel: Kernel
    strength: float
    batch_size: int


class Descent(NamedTuple):
    """How a network descends: Adam, its rate falling linearly to zero."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float


def train_member(
    network: nn.Module,
    X: Tensor,
    y: Tensor,
    members: Tensor,
    space: FunctionSpace,
    descent: Descent,
    *,
    generator: torch.Generator | None = None,
    report: Callable[[int, float, float], None] | None = None,
) -> None:
    r"""Train a network to fit the data and to differ from the members before it.

    .. math:: \min_f \; \frac{1}{n} \sum_i -\log p(y_i | f(x_i))
        - \lambda \, \big( -\log \tfrac{1}{|S|} \sum_{s \in S} k(f, f_s) \big)

    Both terms are taken on batches. Layers that normalise by their batch use running moments in
    the second, so that inputs far from the data do not enter those.

    Parameters
    ----------
    network : nn.Module
        From ``[n, d]`` to logits ``[n, C]``; trained in place.
    X, y : Tensor, shapes (n, d) and (n,)
        Data, and classes as integers.
    members : Tensor, shape (s, N, C)
        Probabilities that the members before give for the inputs of the function space.
    space : FunctionSpace
        Where functions are compared.
    descent : Descent
        How to descend.
    generator : torch.Generator, optional
        Of the batches.
    report : callable, optional
        Given the epoch, and the means of loss and diversity in it.

    Raises
    ------
    FloatingPointError
        If the loss is no longer finite.
    """
    optimiser = torch.optim.Adam(
        network.parameters(),
        lr=descent.learning_rate,
        weight_decay=descent.weight_decay,
        fused=True,
    )
    steps = descent.epochs * -(-len(X) // descent.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    diverse = bool(len(members)) and space.strength > 0
    network.train()
    for epoch in range(descent.epochs):
        totals = torch.zeros(2, dtype=torch.float64)
        for rows in (
            torch.randperm(len(X), generator=generator).to(X.device).split(descent.batch_size)
        ):
            loss = nn.functional.cross_entropy(network(X[rows]), y[rows])
            apart = loss.new_zeros(())
            if diverse:
                apart = _diversity_on_batch(network, members, space, generator)
            optimiser.zero_grad()
            (loss - space.strength * apart).backward()
            optimiser.step()
            schedule.step()
            totals += len(rows) * torch.tensor([loss.item(), apart.item()], dtype=torch.float64)
        means = (totals / len(X)).tolist()
        if not bool(totals.isfinite().all()):
            raise FloatingPointError(
                f"the loss is not finite in epoch {epoch + 1}; lower learning_rate"
            )
        if report is not None:
            report(epoch, *means)
    network.eval()


def _diversity_on_batch(
    network: nn.Module, members: Tensor, space: FunctionSpace, generator: torch.Generator | None
) -> Tensor:
    size = min(space.batch_size, len(space.inputs))
    rows = torch.randint(len(space.inputs), (size,), generator=generator).to(space.inputs.device)
    weights = space.weights[rows]
    with _running_moments(network):
        P = network(space.inputs[rows]).softmax(dim=1)  # [B, C]
    return diversity(
        function_points(P, weights), function_points(members[:, rows], weights), space.kernel
    )


@contextmanager
def _running_moments(network: nn.Module) -> Iterator[None]:
    """Batch normalisation by running moments, which stay as they are."""
    layers = [
        m
        for m in network.modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training
    ]
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        for layer in layers:
            layer.train()
