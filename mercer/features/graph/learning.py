"""Modulations learned by gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.features.graph.graph import Graph
from mercer.features.graph.graph_random_features import GraphRandomFeatures
from mercer.features.graph.modulation import LearnedModulation
from mercer.linalg.random_source import random_source
from mercer.operators import Operator


def learn_modulation(
    modulation: LearnedModulation,
    adjacency: Any,
    loss: Callable[[Operator], Tensor],
    *,
    walks: int = 16,
    p_halt: float = 0.5,
    ensembles: int | None = None,
    steps: int = 200,
    learning_rate: float = 0.02,
    generator: torch.Generator | None = None,
) -> list[float]:
    """Fit a modulation to a loss of the estimated kernel; every step draws new walks.

    What is learned trades bias for variance at this number of walks: it lowers the error in the
    mean over walks, and no longer gives an unbiased estimate.

    Parameters
    ----------
    modulation : LearnedModulation
        Changed in place.
    adjacency : Graph, or what makes one, shape (n, n)
        Where to walk.
    loss : callable
        From the operator of :class:`GraphRandomFeatures` to a number to be minimised, such as
        :func:`relative_frobenius` or the error of a prediction.
    walks, p_halt, ensembles
        As in :class:`GraphRandomFeatures`.
    steps : int
        Of Adam.
    learning_rate : float
        Its step size, positive.
    generator : torch.Generator, optional
        Source of all walks; seeded with 0 by default.

    Returns
    -------
    list of float
        The loss at each step.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain, or the loss is not finite.

    Examples
    --------
    >>> from mercer.features.graph import diffusion
    >>> W = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    >>> f = LearnedModulation(diffusion())
    >>> target = torch.linalg.matrix_exp(0.5 * (W - torch.eye(2)))
    >>> losses = learn_modulation(f, W, relative_frobenius(target), walks=4, steps=3)
    >>> len(losses)
    3
    """
    checks.count("steps", steps)
    checks.positive("learning_rate", learning_rate)
    graph = adjacency if isinstance(adjacency, Graph) else Graph(adjacency)
    source = random_source(generator)
    optimiser = torch.optim.Adam(modulation.parameters(), lr=learning_rate)
    losses = []
    for step in range(steps):
        phi = GraphRandomFeatures(
            graph, modulation, walks=walks, p_halt=p_halt, ensembles=ensembles, generator=source
        )
        value = loss(phi.operator())
        if not bool(torch.isfinite(value)):
            raise ValueError(f"loss must be finite, got {float(value.detach()):g} at step {step}")
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(float(value.detach()))
    return losses


def relative_frobenius(target: Tensor) -> Callable[[Operator], Tensor]:
    r"""The loss :math:`\|\hat K - K\|_F / \|K\|_F` against a kernel ``K``, shape ``(n, n)``.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> relative_frobenius(torch.eye(2))(Dense(2 * torch.eye(2)))
    tensor(1.)
    """
    return lambda K: torch.linalg.norm(K.dense() - target) / torch.linalg.norm(target)
