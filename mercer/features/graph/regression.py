"""Values at all nodes from values at some."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg import solve
from mercer.operators import Identity, Operator


def regress_nodes(
    K: Operator, observed: Tensor, values: Tensor, regularisation: float | None = None
) -> Tensor:
    r"""Predict the values at all nodes of a graph from those at observed nodes.

    Without regularisation by the kernel smoother
    :math:`\hat y_i = \sum_j K_{ij} y_j / \sum_j K_{ij}` over observed ``j``, with it by kernel
    ridge regression :math:`\hat y = K_{\cdot o} (K_{oo} + \lambda I)^{-1} y`.

    Parameters
    ----------
    K : Operator, shape (n, n)
        The kernel or its estimate, :meth:`GraphRandomFeatures.operator`; for ridge regression
        positive semidefinite.
    observed : Tensor of int64, shape (k,)
        Which nodes, each once.
    values : Tensor, shape (k,) or (k, c)
        Their values, of the dtype of ``K``.
    regularisation : float, optional
        :math:`\lambda`, positive.

    Returns
    -------
    Tensor, shape (n,) or (n, c)

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, something is not finite, or a node's weights do not have a positive
        sum: no walk has met one from an observed node.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> K = Dense(torch.tensor([[2.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 2.0]]))
    >>> regress_nodes(K, torch.tensor([0, 2]), torch.tensor([0.0, 3.0]))
    tensor([1.0000, 1.5000, 2.0000])
    """
    checks.finite("values", checks.floating("values", values))
    if observed.ndim != 1 or values.shape[:1] != observed.shape or observed.numel() == 0:
        raise ValueError(
            "observed and values must have shapes (k,) and (k,) or (k, c) with k at least 1, got "
            f"{tuple(observed.shape)} and {tuple(values.shape)}"
        )
    if len(observed.unique()) < len(observed):
        raise ValueError("observed must name each node once, got one twice")
    columns = K[:, observed]  # [n, k]
    if regularisation is not None:
        checks.positive("regularisation", regularisation)
        noise = Identity(len(observed), dtype=K.dtype, device=K.device) * regularisation
        return columns @ solve(columns[observed] + noise, values).x
    sums = columns @ torch.ones(len(observed), dtype=K.dtype, device=K.device)
    if not bool((sums > 0).all()):
        node = int((~(sums > 0)).nonzero()[0])
        raise ValueError(
            f"node {node} has no weight on any observed node; take more walks, a smaller p_halt "
            "or a regularisation"
        )
    return columns @ values / (sums if values.ndim == 1 else sums[:, None])
