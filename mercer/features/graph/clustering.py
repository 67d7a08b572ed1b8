"""Clusters of nodes."""

from __future__ import annotations

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from mercer import checks
from mercer.features.graph.graph_random_features import GraphRandomFeatures


def cluster_nodes(
    phi: GraphRandomFeatures, clusters: int, *, random_state: int = 0, restarts: int = 10
) -> Tensor:
    """Kernel k-means of the nodes: k-means of their features.

    Parameters
    ----------
    phi : GraphRandomFeatures
        The features.
    clusters : int
        How many, at most the number of nodes.
    random_state : int
        Of the first centres.
    restarts : int
        From how many sets of first centres to start; the best end is kept.

    Returns
    -------
    Tensor of int64, shape (n,)
        The number of each node's cluster.

    Raises
    ------
    TypeError, ValueError
        If ``clusters`` or ``restarts`` are out of range.

    Examples
    --------
    >>> from mercer.features.graph import Graph, diffusion
    >>> blocks = torch.block_diag(torch.ones(4, 4), torch.ones(3, 3)).double()
    >>> phi = GraphRandomFeatures(Graph(blocks).normalised(), diffusion(4.0), walks=100)
    >>> labels = cluster_nodes(phi, 2)
    >>> len(labels[:4].unique()), len(labels[4:].unique()), len(labels.unique())
    (1, 1, 2)
    """
    checks.count("restarts", restarts)
    if checks.count("clusters", clusters) > phi.first.n:
        raise ValueError(f"clusters must be at most {phi.first.n}, the nodes, got {clusters}")
    method = KMeans(clusters, n_init=restarts, random_state=random_state)
    return torch.from_numpy(method.fit(phi.sparse()).labels_).long()
