"""Gauss's rule on each of many intervals."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def gauss_legendre(order: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights on ``[-1, 1]``, in float64: ``[order]`` each."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return torch.from_numpy(nodes), torch.from_numpy(weights)


def panel_nodes(edges: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights for the Lebesgue integral over ``P`` intervals: ``[P, order]`` each.

    Examples
    --------
    >>> x, w = panel_nodes(torch.tensor([0.0, 1.0, 3.0]), 2)
    >>> (w * x**3).sum(1)
    tensor([ 0.2500, 20.0000], dtype=torch.float64)
    """
    nodes, weights = gauss_legendre(order)
    half = edges.diff()[:, None] / 2  # [P, 1]
    return (edges[:-1, None] + half * (nodes + 1), half * weights)
