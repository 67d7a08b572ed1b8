"""Sigmoids of the commute-time kernels, entry by entry."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mercer.measure.proximity.laplacian_kernels import commute_time, corrected_commute_time
from mercer.measure.proximity.undirected import undirected
from mercer.operators import Dense


def sigmoid_commute_time(
    adjacency: Any, alpha: float | Tensor, *, corrected: bool = False
) -> Dense:
    r"""The sigmoid commute-time kernel :math:`k_{ij} = 1 / (1 + e^{-\alpha c_{ij} / \sigma})`.

    ``C`` is the commute-time kernel and :math:`\sigma` the standard deviation of its entries. The
    matrix is formed. It need not be positive semidefinite.

    Parameters
    ----------
    adjacency : UndirectedGraph, or what makes one, shape (n, n)
        A connected graph.
    alpha : float or Tensor, shape ()
        Positive.
    corrected : bool
        Whether ``C`` is the corrected commute-time kernel.

    Returns
    -------
    Dense, shape (n, n)

    Raises
    ------
    TypeError, ValueError
        If the graph is not connected, has one node, or ``alpha`` is not positive.

    References
    ----------
    L. Yen, F. Fouss, C. Decaestecker, P. Francq, M. Saerens, "Graph nodes clustering with the
    sigmoid commute-time kernel", https://doi.org/10.1016/j.datak.2008.10.006

    Examples
    --------
    >>> import torch
    >>> edge = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> sigmoid_commute_time(edge, 1.0).dense()  # the entries of C / sigma are 1 and -1
    tensor([[0.7311, 0.2689],
            [0.2689, 0.7311]])
    """
    graph = undirected(adjacency)
    alpha = graph.parameter("alpha", alpha, float("inf"))
    if graph.n < 2:
        raise ValueError("sigmoid_commute_time needs at least two nodes, got one")
    graph.require_connected("sigmoid_commute_time")
    C = (corrected_commute_time if corrected else commute_time)(graph).dense()
    C = (C + C.mT) / 2.0
    return Dense((alpha * C / C.std(correction=0)).sigmoid(), tags={"symmetric"})
