"""Proximities that are functions of a Laplacian matrix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer.measure.proximity.exponential import Exponential
from mercer.measure.proximity.resolvent import Resolvent
from mercer.measure.proximity.undirected import UndirectedGraph, undirected
from mercer.operators import Diagonal, Identity, LowRank, Operator


def forest(
    adjacency: Any, t: float | Tensor, *, method: str | None = None, tol: float | None = None
) -> Resolvent:
    r"""The forest kernel (regularised Laplacian) :math:`(I + t L)^{-1}`; its rows sum to one.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        ``A``; ``L = D - A`` with the sums of its rows in ``D``.
    t : float or Tensor, shape ()
        Positive.
    method, tol
        Of the solves, see :class:`Resolvent`.

    Returns
    -------
    Resolvent, shape (n, n)

    Examples
    --------
    >>> edge = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> forest(edge, 1.0).dense()
    tensor([[0.6667, 0.3333],
            [0.3333, 0.6667]])
    """
    graph = undirected(adjacency)
    t = graph.parameter("t", t, float("inf"))
    M = graph.combination(1.0 + t * graph.strengths, -t, tags={"psd"})
    return Resolvent(M, method=method, tol=tol)


def heat(adjacency: Any, t: float | Tensor) -> Exponential:
    r"""The heat kernel :math:`e^{-t L}`.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        ``A``; ``L = D - A``.
    t : float or Tensor, shape ()
        Positive, within the limits of :class:`Exponential`.

    Returns
    -------
    Exponential, shape (n, n)

    Examples
    --------
    >>> edge = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> heat(edge, 0.5).dense()  # (1 + exp(-1)) / 2 and (1 - exp(-1)) / 2
    tensor([[0.6839, 0.3161],
            [0.3161, 0.6839]])
    """
    graph = undirected(adjacency)
    t = graph.parameter("t", t, float("inf"))
    # r I - L has no negative entry, and L has its eigenvalues between 0 and 2 r.
    radius = float(graph.strengths.detach().max())
    N = graph.combination(radius - graph.strengths, torch.ones_like(t))
    return Exponential(N, radius, t)


def normalised_heat(adjacency: Any, t: float | Tensor) -> Exponential:
    r"""The normalised heat kernel :math:`e^{-t D^{-1/2} L D^{-1/2}}`.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        ``A``, with an edge at every node.
    t : float or Tensor, shape ()
        Positive, within the limits of :class:`Exponential`.

    Returns
    -------
    Exponential, shape (n, n)

    Examples
    --------
    >>> double = torch.tensor([[0.0, 2.0], [2.0, 0.0]])  # the weight does not matter
    >>> normalised_heat(double, 0.5).dense()
    tensor([[0.6839, 0.3161],
            [0.3161, 0.6839]])
    """
    graph = undirected(adjacency)
    graph.require_edges("normalised_heat")
    t = graph.parameter("t", t, float("inf"))
    zeros = torch.zeros_like(graph.strengths)
    S = graph.combination(zeros, torch.ones_like(t), _normalised_weights(graph))
    return Exponential(S, 1.0, t)


def commute_time(
    adjacency: Any, *, method: str | None = None, tol: float | None = None
) -> Operator:
    r"""The commute-time kernel :math:`L^+`; twice its distance is the resistance of two nodes.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        A connected graph.
    method, tol
        Of the solves, see :class:`Resolvent`.

    Returns
    -------
    Operator, shape (n, n)

    Raises
    ------
    TypeError, ValueError
        If ``adjacency`` is no undirected graph or it is not connected.

    Examples
    --------
    >>> edge = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> commute_time(edge).dense()
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    graph = undirected(adjacency)
    graph.require_connected("commute_time")
    one = graph.weights.values.new_ones(())
    L = graph.combination(graph.strengths, -one, tags={"psd"})
    # L + J is invertible, with J = 1 1^T / n on the kernel of L, where its inverse is J again.
    J = LowRank(one.expand(graph.n, 1) / graph.n**0.5)
    return Resolvent(L + J, method=method, tol=tol) - J


def corrected_commute_time(
    adjacency: Any, *, method: str | None = None, tol: float | None = None
) -> Operator:
    r"""The corrected commute-time kernel, free of the commute time's bias towards large degrees.

    .. math:: H D^{-1/2} M (I - M)^{-1} M D^{-1/2} H, \quad
        M = D^{-1/2} (A - d d^T / \textstyle\sum d) D^{-1/2}, \quad H = I - 1 1^T / n

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        A connected graph with at least two nodes; ``d`` are the sums of its rows.
    method, tol
        Of the solves, see :class:`Resolvent`.

    Returns
    -------
    Operator, shape (n, n)

    References
    ----------
    U. von Luxburg, A. Radl, M. Hein, "Getting lost in space: large sample analysis of the commute
    distance", https://papers.nips.cc/paper/3950

    Examples
    --------
    >>> edge = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> corrected_commute_time(edge).dense()
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    graph = undirected(adjacency)
    graph.require_connected("corrected_commute_time")
    graph.require_edges("corrected_commute_time")
    d = graph.strengths
    one = torch.ones_like(d)
    # I - M = I - D^{-1/2} A D^{-1/2} + u u^T with u = sqrt(d / sum d), positive definite.
    U = LowRank((d / d.sum()).sqrt()[:, None])
    laplacian = graph.combination(one, -one[0], _normalised_weights(graph), {"psd"})
    root = Diagonal(d.rsqrt())
    identity = Identity(graph.n, d.dtype, d.device)
    H = identity - LowRank(one[:, None] / graph.n**0.5)
    # M (I - M)^{-1} M = (I - M)^{-1} - I - M
    inner = Resolvent(laplacian + U, method=method, tol=tol) - 2.0 * identity + laplacian + U
    kernel: Operator = H @ root @ inner @ root @ H
    return kernel


def _normalised_weights(graph: UndirectedGraph) -> Tensor:
    """The values of ``D^{-1/2} A D^{-1/2}``, in the order of the graph's weights."""
    places, roots = graph.weights.sparsity, graph.strengths.rsqrt()
    return graph.weights.values * roots[places.rows] * roots[places.cols]
