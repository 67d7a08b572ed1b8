"""Proximities of the random walk on a graph, with :math:`P = D^{-1} A`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mercer.measure.proximity.laplacian_kernels import normalised_heat
from mercer.measure.proximity.resolvent import Resolvent
from mercer.measure.proximity.undirected import undirected
from mercer.operators import Diagonal, Operator


def modified_page_rank(
    adjacency: Any, alpha: float | Tensor, *, method: str | None = None, tol: float | None = None
) -> Resolvent:
    r"""The modified personalised PageRank :math:`(D - \alpha A)^{-1} = (I - \alpha P)^{-1} D^{-1}`.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        ``A``, with an edge at every node; its rows sum to ``D``.
    alpha : float or Tensor, shape ()
        Above 0 and below 1.
    method, tol
        Of the solves, see :class:`Resolvent`.

    Returns
    -------
    Resolvent, shape (n, n)

    Examples
    --------
    >>> import torch
    >>> double = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    >>> modified_page_rank(double, 0.5).dense()
    tensor([[0.6667, 0.3333],
            [0.3333, 0.6667]])
    """
    graph = undirected(adjacency)
    graph.require_edges("modified_page_rank")
    alpha = graph.parameter("alpha", alpha, 1.0)
    M = graph.combination(graph.strengths, -alpha, tags={"psd"})
    return Resolvent(M, method=method, tol=tol)


def page_rank(
    adjacency: Any, alpha: float | Tensor, *, method: str | None = None, tol: float | None = None
) -> Operator:
    r"""Personalised PageRank :math:`(I - \alpha P)^{-1}`.

    It is not symmetric; its rows sum to :math:`1 / (1 - \alpha)`.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        ``A``, with an edge at every node.
    alpha : float or Tensor, shape ()
        Above 0 and below 1.
    method, tol
        Of the solves, see :class:`Resolvent`.

    Returns
    -------
    Operator, shape (n, n)

    Examples
    --------
    >>> import torch
    >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    >>> page_rank(path, 0.5).dense().sum(1)
    tensor([2.0000, 2.0000, 2.0000])
    """
    graph = undirected(adjacency)
    graph.require_edges("page_rank")
    inverse = modified_page_rank(graph, alpha, method=method, tol=tol)
    kernel: Operator = inverse @ Diagonal(graph.strengths)
    return kernel


def heat_page_rank(adjacency: Any, t: float | Tensor) -> Operator:
    r"""The heat kernel of the random walk :math:`e^{-t (I - P)}`; its rows sum to one.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        ``A``, with an edge at every node.
    t : float or Tensor, shape ()
        Positive, within the limits of :class:`Exponential`.

    Returns
    -------
    Operator, shape (n, n)

    Examples
    --------
    >>> import torch
    >>> path = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    >>> heat_page_rank(path, 2.0).dense().sum(1)
    tensor([1.0000, 1.0000, 1.0000])
    """
    graph = undirected(adjacency)
    graph.require_edges("heat_page_rank")
    inner = normalised_heat(graph, t)
    roots = graph.strengths.sqrt()
    kernel: Operator = Diagonal(1.0 / roots) @ inner @ Diagonal(roots)
    return kernel
