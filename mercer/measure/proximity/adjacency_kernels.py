"""Proximities that count walks: functions of the adjacency matrix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mercer.measure.proximity.exponential import Exponential
from mercer.measure.proximity.resolvent import Resolvent
from mercer.measure.proximity.undirected import undirected


def walk(
    adjacency: Any, t: float | Tensor, *, method: str | None = None, tol: float | None = None
) -> Resolvent:
    r"""The plain walk kernel (Katz, von Neumann diffusion) :math:`(I - t A)^{-1}`.

    The entry of two nodes adds up the walks between them, each weighted by ``t`` to its length.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        ``A``.
    t : float or Tensor, shape ()
        Above 0 and below one over the spectral radius of ``A``.
    method, tol
        Of the solves, see :class:`Resolvent`.

    Returns
    -------
    Resolvent, shape (n, n)

    Raises
    ------
    TypeError, ValueError
        If ``adjacency`` is no undirected graph or ``t`` is out of range.

    Examples
    --------
    >>> edge = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> walk(edge, 0.5).dense()
    tensor([[1.3333, 0.6667],
            [0.6667, 1.3333]])
    """
    graph = undirected(adjacency)
    below = 1.0 / graph.radius if graph.radius > 0 else float("inf")
    t = graph.parameter("t", t, below, ", one over the spectral radius of the adjacency")
    M = graph.combination(graph.weights.values.new_ones(graph.n), -t, tags={"psd"})
    return Resolvent(M, method=method, tol=tol)


def communicability(adjacency: Any, t: float | Tensor) -> Exponential:
    r"""The communicability (exponential diffusion) kernel :math:`e^{t A}`.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        ``A``.
    t : float or Tensor, shape ()
        Positive, within the limits of :class:`Exponential`. Products and entries overflow where the
        exponential of ``t`` times the spectral radius does; the logarithm never.

    Returns
    -------
    Exponential, shape (n, n)

    Raises
    ------
    TypeError, ValueError
        If ``adjacency`` is no undirected graph or ``t`` is not positive.

    Examples
    --------
    >>> edge = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> communicability(edge, 1.0).dense()  # cosh and sinh
    tensor([[1.5431, 1.1752],
            [1.1752, 1.5431]])
    """
    graph = undirected(adjacency)
    t = graph.parameter("t", t, float("inf"))
    A = graph.combination(graph.weights.values.new_zeros(graph.n), torch.ones_like(t))
    return Exponential(A, graph.radius, t, log_scale=t * graph.radius)
