"""Linear differential equations on graphs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mercer import checks
from mercer.features.graph.graph import Graph
from mercer.features.graph.graph_random_features import GraphRandomFeatures
from mercer.features.graph.named import exponential


def solve_graph_ode(
    adjacency: Any,
    x0: Tensor,
    times: Tensor,
    source: Callable[[float], Tensor] | None = None,
    *,
    decay: float = 0.0,
    walks: int = 16,
    p_halt: float = 0.5,
    nodes: int = 16,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Solve :math:`\dot x = (W - c I) x + u(t)` from ``x0`` by random walks.

    .. math:: x(t) = e^{t (W - c I)} x_0 + \int_0^t e^{(t - s)(W - c I)} u(s)\, ds

    The exponentials at all times are estimated from one pair of walk ensembles, each without bias;
    the integral is a Gauss-Legendre sum.

    Parameters
    ----------
    adjacency : Graph, or what makes one, shape (n, n)
        ``W``; with a normalised graph and ``decay=1`` the equation is diffusion,
        :math:`\dot x = -L x + u`.
    x0 : Tensor, shape (n,)
        State at time 0, of the graph's dtype.
    times : Tensor, shape (T,)
        When the state is wanted, not negative.
    source : callable, optional
        ``u``, from a time to a Tensor of shape ``(n,)``; zero by default.
    decay : float
        ``c``.
    walks, p_halt
        As in :class:`GraphRandomFeatures`.
    nodes : int
        Of the Gauss-Legendre sum.
    generator : torch.Generator, optional
        Source of all walks; seeded with 0 by default.

    Returns
    -------
    Tensor, shape (T, n)

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit, or something is not finite.

    Examples
    --------
    >>> still = torch.zeros(2, 2, dtype=torch.float64)  # without edges each node decays
    >>> x = solve_graph_ode(still, torch.ones(2).double(), torch.tensor([1.0]), decay=1.0)
    >>> torch.allclose(x, torch.full((1, 2), math.exp(-1.0)).double())
    True
    """
    graph = adjacency if isinstance(adjacency, Graph) else Graph(adjacency)
    x0 = _state("x0", x0, graph)
    checks.count("nodes", nodes)
    checks.floating("times", times)
    if times.ndim != 1 or not bool(((times >= 0) & times.isfinite()).all()):
        raise ValueError(f"times must be a vector of finite times from 0 on, got {times}")
    if not math.isfinite(decay):
        raise ValueError(f"decay must be finite, got {decay:g}")
    phi = GraphRandomFeatures(
        graph, exponential(1.0), walks=walks, p_halt=p_halt, ensembles=2, generator=generator
    )

    def propagate(time: float, x: Tensor) -> Tensor:
        """The estimate of ``exp(time (W - c I)) x``."""
        left, right = (
            walked.features(exponential(time)(walked.longest + 1).to(x))
            for walked in (phi.first, phi.second)
        )
        return math.exp(-decay * time) * (left @ (right.mT @ x))

    places, weights = np.polynomial.legendre.leggauss(nodes)
    states = []
    for t in times.tolist():
        x = propagate(t, x0)
        if source is not None:
            for s, weight in zip(0.5 * t * (1.0 + places), 0.5 * t * weights):
                x = x + float(weight) * propagate(t - s, _state("source", source(s), graph))
        states.append(x)
    return torch.stack(states) if states else x0.new_zeros(0, graph.n)


def _state(name: str, x: Any, graph: Graph) -> Tensor:
    checks.floating(name, x)
    checks.alike(name, x, "the graph", graph.weights)
    if x.shape != (graph.n,):
        raise ValueError(f"{name} must have shape ({graph.n},), got {tuple(x.shape)}")
    return checks.finite(name, x)
