"""Graph random features: unbiased kernels between the nodes of a graph."""

from __future__ import annotations

from typing import Any

import scipy.sparse
import torch
from torch import Tensor, nn

from mercer import checks
from mercer.features.graph.graph import Graph
from mercer.features.graph.modulation import Modulation
from mercer.features.graph.walks import WalkEnsemble, random_walks, spawn
from mercer.linalg.random_source import random_source
from mercer.operators import Diagonal, Operator, Sparse


class GraphRandomFeatures(nn.Module):
    r"""Sparse features of the nodes of a graph with :math:`E\,\phi_i\cdot\psi_j = K_{ij}`.

    ``K`` is a power series of a weighted adjacency matrix, :math:`K = \sum_k \alpha_k W^k`. From
    each node walks start that end with probability ``p_halt`` before each step; a walk from
    ``i`` that has come to ``v`` after ``l`` steps adds to :math:`\phi_{iv}` its modulation
    ``f(l)`` times the weights that it passed over the probability of passing there.

    Parameters
    ----------
    adjacency : Graph, or what makes one, shape (n, n)
        ``W``; for kernels of the Laplacian :meth:`Graph.normalised`.
    modulation : Modulation or pair of Modulation
        ``f`` with :math:`f * f = \alpha`, or ``f`` and ``g`` with :math:`f * g = \alpha` for the
        first and the second argument.
    walks : int
        From each node, in each ensemble.
    p_halt : float
        In (0, 1); a walk has on average ``1 / p_halt - 1`` steps.
    ensembles : {1, 2}, optional
        Whether both arguments share their walks. By default 1, and 2 where they cannot: for a
        pair of modulations or a ``W`` that is not symmetric.
    shards : int
        Into how many independent streams the walks of an ensemble are split: the features are
        those of ``WalkEnsemble.merge`` of :func:`random_walks` with each generator of
        :func:`spawn`.
    generator : torch.Generator, optional
        Source of all walks; seeded with 0 by default.

    Attributes
    ----------
    first, second : WalkEnsemble
        The walks for the first and the second argument.

    Notes
    -----
    - With two ensembles every entry of ``operator()`` is unbiased; it is not symmetric.
    - With one, it is symmetric and positive semidefinite. Entries off the diagonal, which come from
      independent walks, are unbiased; the diagonal is too large by the summed variances of the
      features, of order ``1 / walks``. ``operator(diagonal="unbiased")`` takes off an unbiased
      estimate of that, and is symmetric but not semidefinite.
    - The variance is finite where the spectral radius of
      :math:`W_{uv}^2 \deg_u / (1 - p_{halt})` is below :math:`1 / r^2`, with ``r`` the limit of
      :math:`|f(l)|^{1/l}`. On a normalised graph without weights that is
      :math:`r^2 < 1 - p_{halt}`: always so where ``f`` is that of an entire function, and for the
      regularised Laplacian with :math:`(\sigma^2 / (1 + \sigma^2))^2 < 1 - p_{halt}`.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain.

    Examples
    --------
    >>> from mercer.features.graph import diffusion
    >>> ring = torch.eye(6, dtype=torch.float64).roll(1, 0)
    >>> ring = Graph(ring + ring.mT).normalised()
    >>> phi = GraphRandomFeatures(ring, diffusion(), walks=1000)
    >>> phi.operator()
    Product(6 x 6, float64, psd, symmetric)
    >>> exact = torch.linalg.matrix_exp(0.5 * (ring.weights.dense() - torch.eye(6)))
    >>> bool((phi.operator().dense() - exact).abs().max() < 0.05)
    True

    References
    ----------
    I. Reid, K. Choromanski, E. Berger, A. Weller, "General Graph Random Features",
    https://arxiv.org/abs/2310.04859
    """

    def __init__(
        self,
        adjacency: Any,
        modulation: Modulation | tuple[Modulation, Modulation],
        *,
        walks: int = 16,
        p_halt: float = 0.5,
        ensembles: int | None = None,
        shards: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        graph = adjacency if isinstance(adjacency, Graph) else Graph(adjacency)
        self.modulation, self.second_modulation = _pair(modulation)
        shared = graph.symmetric and self.modulation is self.second_modulation
        if ensembles is None:
            ensembles = 1 if shared else 2
        if ensembles not in (1, 2):
            raise ValueError(f"ensembles must be 1 or 2, got {ensembles!r}")
        if ensembles == 1 and not shared:
            raise ValueError(
                "ensembles must be 2 for a pair of modulations or a directed graph, got 1"
            )
        if checks.count("shards", shards) > checks.count("walks", walks):
            raise ValueError(f"shards must be at most walks, {walks}, got {shards}")
        source = random_source(generator)

        def walked(graph: Graph, f: Modulation) -> WalkEnsemble:
            sizes = [walks // shards + (k < walks % shards) for k in range(shards)]
            return WalkEnsemble.merge(
                [
                    random_walks(graph, size, p_halt, stream, f.longest)
                    for size, stream in zip(sizes, spawn(source, shards))
                ]
            )

        self.first = walked(graph, self.modulation)
        self.second = self.first
        if ensembles == 2:
            # E phi psi^T = F(W) G(W^T)^T: the second argument's walks run against the edges.
            self.second = walked(graph.transposed, self.second_modulation)

    def features(self) -> Sparse:
        """The features ``phi`` of all nodes, shape ``(n, n)``; differentiable in the modulation."""
        return self.first.features(_at(self.modulation, self.first))

    def second_features(self) -> Sparse:
        """The features ``psi`` of all nodes as second argument, shape ``(n, n)``."""
        if self.second is self.first:
            return self.features()
        return self.second.features(_at(self.second_modulation, self.second))

    def forward(self, nodes: Tensor) -> Tensor:
        """Features of some nodes.

        Parameters
        ----------
        nodes : Tensor of int64, shape (k,)
            Which.

        Returns
        -------
        Tensor, shape (k, n)
        """
        return self.features().rows(nodes)

    def sparse(self) -> scipy.sparse.csr_matrix:
        """The features ``phi`` as a SciPy matrix in compressed rows, shape ``(n, n)``."""
        phi = self.features()
        parts = (phi.values, phi.sparsity.cols, phi.sparsity.starts)
        return scipy.sparse.csr_matrix(
            tuple(part.detach().cpu().numpy() for part in parts), tuple(phi.shape)
        )

    def operator(self, diagonal: str = "features") -> Operator:
        """The estimate of the kernel between all nodes, a product of sparse factors.

        Parameters
        ----------
        diagonal : {"features", "unbiased"}
            Whether the bias that one ensemble has on the diagonal is kept or estimated and taken
            off. With two ensembles there is none.

        Returns
        -------
        Operator, shape (n, n)

        Raises
        ------
        ValueError
            If ``diagonal`` is neither, or ``"unbiased"`` is asked of a single walk.
        """
        if diagonal not in ("features", "unbiased"):
            raise ValueError(f"diagonal must be 'features' or 'unbiased', got {diagonal!r}")
        phi = self.features()
        if self.second is not self.first:
            return phi @ self.second_features().mT
        if diagonal == "features":
            return phi @ phi.mT
        return phi @ phi.mT - Diagonal(self.first.diagonal_bias(_at(self.modulation, self.first)))


def _pair(modulation: Any) -> tuple[Modulation, Modulation]:
    pair = modulation if isinstance(modulation, tuple) else (modulation, modulation)
    if len(pair) != 2 or not all(isinstance(f, Modulation) for f in pair):
        raise TypeError(f"modulation must be a Modulation or a pair of them, got {modulation!r}")
    return pair


def _at(modulation: Modulation, ensemble: WalkEnsemble) -> Tensor:
    """The modulation at the lengths of an ensemble, in its dtype and on its device."""
    return modulation(ensemble.longest + 1).to(ensemble.load)
