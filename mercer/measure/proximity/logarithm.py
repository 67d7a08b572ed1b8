"""Logarithms of proximities, entry by entry."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.measure.proximity.exponential import Exponential
from mercer.operators import Operator, as_operator


def logarithm(K: Operator | Tensor, pairs: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """The logarithm of every entry of a proximity, or of those of some pairs of nodes.

    The logarithm of an :class:`Exponential` does not overflow where its entries do.

    Parameters
    ----------
    K : Operator or Tensor, shape (n, n)
        With positive entries, as proximities have on connected graphs.
    pairs : tuple of two Tensors of int64, of one shape, optional
        Rows and columns; all pairs by default. Few columns cost few products of an operator.

    Returns
    -------
    Tensor, shape (n, n), or that of the pairs

    Raises
    ------
    ValueError
        If an entry is not positive: no path joins the nodes, or its weight underflows.

    Examples
    --------
    >>> from mercer.measure.proximity import communicability
    >>> edge = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> logarithm(communicability(edge, 1000.0))  # of cosh and sinh of 1000
    tensor([[999.3068, 999.3068],
            [999.3068, 999.3068]])
    """
    K = as_operator(K)
    scale = None
    if isinstance(K, Exponential):
        K, scale = K.unscaled, K.log_scale
    entries = K.dense() if pairs is None else K._entries(*pairs)
    checks.finite("K", entries)
    low = (entries <= 0).nonzero()
    if low.numel():
        place = tuple(low[0].tolist())
        i, j = place if pairs is None else (int(index[place]) for index in pairs)
        found = float(entries[place]) + 0.0  # no negative zero
        raise ValueError(
            f"the logarithm needs positive proximities, and that of nodes {i} and {j} is "
            f"{found:.3g}; join them by a path, take one component of the graph or a larger "
            "parameter"
        )
    logs = torch.log(entries)
    return logs if scale is None else logs + scale
