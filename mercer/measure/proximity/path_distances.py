"""Distances between the shortest path and the random walk."""

from __future__ import annotations

from typing import Any

import scipy.sparse
import scipy.sparse.csgraph
import torch
from torch import Tensor

from mercer import checks
from mercer.measure.proximity.distance import proximity_distance
from mercer.measure.proximity.laplacian_kernels import commute_time
from mercer.measure.proximity.resolvent import Resolvent
from mercer.measure.proximity.undirected import UndirectedGraph, undirected
from mercer.operators import Sparse


def shortest_path_distance(adjacency: Any) -> Tensor:
    """The length of the shortest path, where an edge of weight ``a`` has length ``1 / a``.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        A connected graph.

    Returns
    -------
    Tensor, shape (n, n)
        Without derivative.

    Examples
    --------
    >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]])
    >>> shortest_path_distance(path)[0]
    tensor([0.0000, 1.0000, 1.5000])
    """
    graph = undirected(adjacency)
    graph.require_connected("shortest_path_distance")
    places, values = graph.weights.sparsity, graph.weights.values.detach()
    lengths = scipy.sparse.csr_array(
        ((1.0 / values.double()).cpu().numpy(), (places.rows.cpu(), places.cols.cpu())),
        shape=(graph.n, graph.n),
    )
    found = scipy.sparse.csgraph.shortest_path(lengths, directed=False)
    return torch.from_numpy(found).to(values)


def resistance_distance(adjacency: Any) -> Tensor:
    """The effective resistance of two nodes, which is the commute time over the sum of degrees.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        A connected graph; weights are conductances.

    Returns
    -------
    Tensor, shape (n, n)

    Examples
    --------
    >>> triangle = torch.ones(3, 3) - torch.eye(3)
    >>> resistance_distance(triangle)[0]
    tensor([0.0000, 0.6667, 0.6667])
    """
    graph = undirected(adjacency)
    graph.require_connected("resistance_distance")
    return 2.0 * proximity_distance(commute_time(graph))


def shortest_path_commute_time_distance(adjacency: Any, share: float) -> Tensor:
    """``share`` of the shortest path and ``1 - share`` of the resistance; on trees they are equal.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        A connected graph.
    share : float
        From 0 to 1.

    Returns
    -------
    Tensor, shape (n, n)

    Examples
    --------
    >>> triangle = torch.ones(3, 3) - torch.eye(3)
    >>> shortest_path_commute_time_distance(triangle, 0.5)[0]
    tensor([0.0000, 0.8333, 0.8333])
    """
    checks.interval("share", share, 0.0, 1.0)
    graph = undirected(adjacency)
    graph.require_connected("shortest_path_commute_time_distance")
    return share * shortest_path_distance(graph) + (1.0 - share) * resistance_distance(graph)


def free_energy(adjacency: Any, beta: float | Tensor) -> Resolvent:
    r"""The kernel :math:`(D - A \circ e^{-\beta C})^{-1}`, with costs :math:`c_{ij} = 1 / a_{ij}`.

    Its logarithmic distance over :math:`\beta` is :func:`free_energy_distance`.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        ``A``, with an edge at every node.
    beta : float or Tensor, shape ()
        The inverse temperature, positive.

    Returns
    -------
    Resolvent, shape (n, n)

    Examples
    --------
    >>> edge = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> free_energy(edge, 1.0).dense()
    tensor([[1.1565, 0.4255],
            [0.4255, 1.1565]])
    """
    graph, beta = _tempered(adjacency, beta, "free_energy")
    return Resolvent(_transfer(graph, beta))


def free_energy_distance(adjacency: Any, beta: float | Tensor) -> Tensor:
    r"""The free energy of moving from one node to another: from commute time to shortest path.

    :math:`-\frac{1}{\beta} \log (z_{ij} / z_{jj})`, averaged over both directions, with
    :math:`Z = (I - P \circ e^{-\beta C})^{-1}`. It is cutpoint additive.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        A connected graph.
    beta : float or Tensor, shape ()
        The inverse temperature, positive.

    Returns
    -------
    Tensor, shape (n, n)

    References
    ----------
    I. Kivimäki, M. Shimbo, M. Saerens, "Developments in the theory of randomized shortest paths
    with a comparison of graph node distances", https://arxiv.org/abs/1212.1666

    Examples
    --------
    >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    >>> free_energy_distance(path, 20.0)[0]
    tensor([0.0000, 1.0173, 2.0347])
    """
    graph, beta = _tempered(adjacency, beta, "free_energy_distance")
    # The degrees in Z = G D cancel between the two directions.
    return proximity_distance(free_energy(graph, beta), logarithmic=True) / beta


def randomized_shortest_path_distance(adjacency: Any, beta: float | Tensor) -> Tensor:
    r"""The expected cost of a path between two nodes, drawn at a temperature.

    With :math:`G = (D - A \circ e^{-\beta C})^{-1}` and
    :math:`S = (G (C \circ A \circ e^{-\beta C}) G) / G` entry by entry it is
    :math:`s_{ij} - (s_{ii} + s_{jj}) / 2`.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        A connected graph.
    beta : float or Tensor, shape ()
        The inverse temperature, positive.

    Returns
    -------
    Tensor, shape (n, n)

    References
    ----------
    I. Kivimäki, M. Shimbo, M. Saerens, "Developments in the theory of randomized shortest paths
    with a comparison of graph node distances", https://arxiv.org/abs/1212.1666

    Examples
    --------
    >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    >>> randomized_shortest_path_distance(path, 20.0)[0]
    tensor([0.0000, 1.0000, 2.0000])
    """
    graph, beta = _tempered(adjacency, beta, "randomized_shortest_path_distance")
    G = Resolvent(_transfer(graph, beta)).dense()
    zeros = torch.zeros_like(graph.strengths)
    # C o A is one on every edge.
    costs = graph.combination(zeros, torch.ones_like(beta), _boltzmann(graph, beta))
    S = (G @ (costs @ G)) / G
    return proximity_distance(-S)


def _tempered(adjacency: Any, beta: float | Tensor, name: str) -> tuple[UndirectedGraph, Tensor]:
    graph = undirected(adjacency)
    graph.require_edges(name)
    graph.require_connected(name)
    return graph, graph.parameter("beta", beta, float("inf"))


def _boltzmann(graph: UndirectedGraph, beta: Tensor) -> Tensor:
    """``exp(-beta / a)`` for each entry of the graph's weights."""
    return torch.exp(-beta / graph.weights.values)


def _transfer(graph: UndirectedGraph, beta: Tensor) -> Sparse:
    """``D - A o exp(-beta C)``, diagonally dominant."""
    damped = graph.weights.values * _boltzmann(graph, beta)
    return graph.combination(graph.strengths, -torch.ones_like(beta), damped, {"psd"})
