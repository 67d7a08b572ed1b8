"""A weighted graph, as the random walks read it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from mercer import checks
from mercer.operators import Sparse


class Graph:
    """A weighted adjacency matrix ``W`` in compressed rows.

    An entry ``W[u, v]`` that is not zero is an edge from ``u`` to ``v``; loops are entries like
    others.

    Parameters
    ----------
    adjacency : scipy sparse matrix, numpy array, Tensor (dense or sparse), Sparse or Graph
        Shape ``(n, n)``, finite. Integers of NumPy and SciPy become float64.

    Attributes
    ----------
    weights : Sparse, shape (n, n)
        The matrix.
    symmetric : bool
        Whether ``W`` is its transpose, up to rounding.

    Raises
    ------
    TypeError, ValueError
        If ``adjacency`` is no square matrix of finite real numbers.

    Examples
    --------
    >>> path = Graph(torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]))
    >>> path.degrees, path.symmetric
    (tensor([1, 2, 1]), True)
    """

    def __init__(self, adjacency: Any) -> None:
        indices, values, shape = _listed(adjacency)
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
            raise ValueError(f"adjacency must be a square matrix, got shape {shape}")
        wrong = ~torch.isfinite(values.detach())
        if bool(wrong.any()):
            row, column = indices[:, wrong][:, 0].tolist()
            raise ValueError(
                f"adjacency has NaN or infinity at row {row}, column {column}; "
                "remove the edge or give it a weight"
            )
        edges = values != 0
        self.weights = Sparse(indices[:, edges], values[edges], (shape[0], shape[0]))
        self.symmetric = _is_symmetric(self.weights)

    @classmethod
    def _of(cls, weights: Sparse, symmetric: bool) -> Graph:
        """A graph of checked weights of which the symmetry is known."""
        graph = object.__new__(cls)
        graph.weights, graph.symmetric = weights, symmetric
        return graph

    @property
    def n(self) -> int:
        """Number of nodes."""
        return self.weights.n

    @property
    def degrees(self) -> Tensor:
        """Number of edges that leave each node, int64, ``[n]``."""
        return self.weights.sparsity.starts.diff()

    @property
    def transposed(self) -> Graph:
        """The graph with every edge turned round; this one where it is symmetric."""
        if self.symmetric:
            return self
        places, order = self.weights.sparsity.transposed
        indices = torch.stack([places.rows, places.cols])
        turned = Sparse(indices, self.weights.values[order], (self.n, self.n))
        return Graph._of(turned, symmetric=False)

    def normalised(self) -> Graph:
        """The graph with weights ``w_uv / sqrt(d_u d_v)``, where ``d_u`` sums the weights at ``u``.

        Its matrix is ``I - L`` with the normalised Laplacian ``L``; the spectrum is in [-1, 1].
        A node without edges stays without.

        Returns
        -------
        Graph

        Raises
        ------
        ValueError
            If the graph is not symmetric or a weight is negative.

        Examples
        --------
        >>> star = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
        >>> Graph(star).normalised().weights.dense()[0]
        tensor([0.0000, 0.7071, 0.7071])
        """
        if not self.symmetric:
            raise ValueError("adjacency must be symmetric to be normalised; add its transpose")
        weights, places = self.weights.values, self.weights.sparsity
        if bool((weights < 0).any()):
            k = int((weights < 0).nonzero()[0])
            raise ValueError(
                "adjacency must have no negative weights to be normalised, got "
                f"{weights[k]:g} at row {places.rows[k]}, column {places.cols[k]}"
            )
        sums = weights.new_zeros(self.n).index_add(0, places.rows, weights)  # [n]
        scaled = weights / (sums[places.rows].sqrt() * sums[places.cols].sqrt())
        indices = torch.stack([places.rows, places.cols])
        return Graph._of(Sparse(indices, scaled, (self.n, self.n)), symmetric=True)

    def __repr__(self) -> str:
        kind = "symmetric" if self.symmetric else "directed"
        return f"Graph({self.n} nodes, {self.weights.values.shape[0]} entries, {kind})"


def _listed(adjacency: Any) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Positions ``[2, nnz]``, values and shape of a matrix in any container."""
    if isinstance(adjacency, Graph):
        adjacency = adjacency.weights
    if isinstance(adjacency, Sparse):
        places = adjacency.sparsity
        return torch.stack([places.rows, places.cols]), adjacency.values, tuple(adjacency.shape)
    if scipy.sparse.issparse(adjacency):
        listed = adjacency.tocoo()
        indices = torch.from_numpy(np.stack([listed.row, listed.col]).astype(np.int64))
        return indices, _from_numpy(listed.data), tuple(listed.shape)
    if isinstance(adjacency, np.ndarray):
        adjacency = _from_numpy(adjacency)
    checks.floating("adjacency", adjacency)
    if adjacency.dtype in (torch.float16, torch.bfloat16):
        raise TypeError(f"adjacency must be float32 or float64, got {adjacency.dtype}")
    if adjacency.layout == torch.strided:
        indices = adjacency.nonzero().mT if adjacency.ndim == 2 else adjacency.new_zeros(2, 0)
        values = adjacency[tuple(indices)] if adjacency.ndim == 2 else adjacency.flatten()[:0]
        return indices, values, tuple(adjacency.shape)
    listed = adjacency.to_sparse_coo().coalesce()
    return listed.indices(), listed.values(), tuple(adjacency.shape)


def _from_numpy(values: np.ndarray) -> Tensor:
    if values.dtype.kind not in "fiub":
        raise TypeError(f"adjacency must hold real numbers, got dtype {values.dtype}")
    kept = np.float32 if values.dtype == np.float32 else np.float64
    return torch.from_numpy(np.ascontiguousarray(values, dtype=kept))


def _is_symmetric(W: Sparse) -> bool:
    transposed, order = W.sparsity.transposed
    if not torch.equal(transposed.keys, W.sparsity.keys):
        return False
    allowed = 8 * torch.finfo(W.dtype).eps
    return torch.allclose(W.values[order], W.values, rtol=allowed, atol=0.0)
