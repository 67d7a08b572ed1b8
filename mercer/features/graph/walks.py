"""Random walks that end at random, and what they leave at the nodes they pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer import checks
from mercer.features.graph.graph import Graph
from mercer.operators import Sparse


@dataclass(frozen=True)
class WalkEnsemble:
    r"""The loads that walks from every node of a graph left at the nodes they passed.

    The mean over walks of the loads of length ``l`` is an unbiased estimate :math:`P_l` of
    :math:`W^l`, and features are linear in the modulation :math:`f`:
    :math:`\Phi = \sum_l f(l) P_l`.

    Parameters
    ----------
    n : int
        Number of nodes.
    walks : int
        Number of walks that start at each node.
    trace : Tensor of int64, shape (deposits,)
        Which walk: number ``trace // n`` of those that start at the node ``trace % n``.
    node : Tensor of int64, shape (deposits,)
        Where the load was left.
    length : Tensor of int64, shape (deposits,)
        After how many steps.
    load : Tensor, shape (deposits,)
        Product of the weights passed, over the probability of passing there.

    Examples
    --------
    >>> edge = Graph(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    >>> ensemble = random_walks(edge, 8, 0.5, torch.Generator().manual_seed(0))
    >>> ensemble.features(torch.tensor([2.0] + [0.0] * ensemble.longest)).dense()  # no step
    tensor([[2., 0.],
            [0., 2.]])
    """

    n: int
    walks: int
    trace: Tensor
    node: Tensor
    length: Tensor
    load: Tensor

    @property
    def longest(self) -> int:
        """Number of steps of the longest walk."""
        return int(self.length.max())

    def features(self, f: Tensor) -> Sparse:
        """The features of all nodes, one a row.

        Parameters
        ----------
        f : Tensor, shape (at least longest + 1,)
            The modulation; gradients flow to it.

        Returns
        -------
        Sparse, shape (n, n)
        """
        indices = torch.stack([self.trace % self.n, self.node])
        return Sparse(indices, self.load * f[self.length] / self.walks, (self.n, self.n))

    def diagonal_bias(self, f: Tensor) -> Tensor:
        r"""By how much :math:`|\phi_i|^2` exceeds its aim, estimated without bias.

        The mean of :math:`\phi_i \cdot \phi_i` is :math:`|E \phi_i|^2` plus the summed variances of
        the features, which are estimated from the spread of the single walks.

        Parameters
        ----------
        f : Tensor, shape (at least longest + 1,)
            The modulation.

        Returns
        -------
        Tensor, shape (n,)

        Raises
        ------
        ValueError
            If there is one walk a node: it has no spread.
        """
        if self.walks < 2:
            raise ValueError("walks must be at least 2 to estimate the bias of the diagonal, got 1")
        indices = torch.stack([self.trace, self.node])
        single = Sparse(indices, self.load * f[self.length], (self.n * self.walks, self.n))
        squares = _summed_squares(single).reshape(self.walks, self.n).sum(0)  # [n]
        of_mean = _summed_squares(self.features(f))
        return (squares - self.walks * of_mean) / (self.walks * (self.walks - 1))

    @classmethod
    def merge(cls, parts: Sequence[WalkEnsemble]) -> WalkEnsemble:
        """The walks of several ensembles on one graph as one.

        Parameters
        ----------
        parts : sequence of WalkEnsemble
            At least one; of walks that are independent.

        Returns
        -------
        WalkEnsemble
            Its features are the mean of those of the parts, weighted by their numbers of walks.

        Raises
        ------
        ValueError
            If there is no part or the numbers of nodes differ.
        """
        if len({part.n for part in parts}) != 1:
            raise ValueError(
                "parts must be ensembles on one graph, got numbers of nodes "
                f"{[part.n for part in parts]}"
            )
        traces, walks = [], 0
        for part in parts:
            traces.append(part.trace + walks * part.n)
            walks += part.walks
        return cls(
            parts[0].n,
            walks,
            torch.cat(traces),
            torch.cat([part.node for part in parts]),
            torch.cat([part.length for part in parts]),
            torch.cat([part.load for part in parts]),
        )


def random_walks(
    graph: Graph,
    walks: int,
    p_halt: float,
    generator: torch.Generator,
    longest: int | None = None,
) -> WalkEnsemble:
    """Let walks start at every node, each ending with probability ``p_halt`` before each step.

    A step goes to a neighbour chosen uniformly. The time is O(n walks / p_halt).

    Parameters
    ----------
    graph : Graph
        Where to walk.
    walks : int
        From each node.
    p_halt : float
        In (0, 1).
    generator : torch.Generator
        Source of all randomness.
    longest : int, optional
        Walks end after so many steps: what comes later is multiplied by zero.

    Returns
    -------
    WalkEnsemble

    Raises
    ------
    TypeError, ValueError
        If ``walks`` or ``p_halt`` are out of range.

    Examples
    --------
    >>> edge = Graph(torch.tensor([[0.0, 2.0], [2.0, 0.0]]))
    >>> ensemble = random_walks(edge, 1, 0.5, torch.Generator().manual_seed(3))
    >>> bool((ensemble.load == 4.0**ensemble.length).all())  # weight 2 over probability 1/2
    True
    """
    checks.count("walks", walks)
    if not 0.0 < p_halt < 1.0:
        raise ValueError(f"p_halt must be above 0 and below 1, got {p_halt:g}")
    W, degrees = graph.weights, graph.degrees
    starts, neighbours = W.sparsity.starts, W.sparsity.cols
    trace = torch.arange(graph.n * walks, device=W.device)
    node = trace % graph.n
    load = torch.ones(graph.n * walks, dtype=W.dtype, device=W.device)
    passed = [(trace, node, load)]
    while trace.numel() and (longest is None or len(passed) <= longest):
        goes = (_uniform(trace, generator) >= p_halt) & (degrees[node] > 0)
        trace, node, load = trace[goes], node[goes], load[goes]
        degree = degrees[node]
        edge = starts[node] + (_uniform(trace, generator) * degree).long()
        # The step has probability (1 - p_halt) / degree.
        load = load * W.values[edge] * (degree / (1.0 - p_halt)).to(load.dtype)
        node = neighbours[edge]
        passed.append((trace, node, load))
    lengths = [torch.full_like(trace, k) for k, (trace, _, _) in enumerate(passed)]
    traces, nodes, loads = (torch.cat(parts) for parts in zip(*passed))
    return WalkEnsemble(graph.n, walks, traces, nodes, torch.cat(lengths), loads)


def spawn(generator: torch.Generator, count: int) -> list[torch.Generator]:
    """Independent generators, seeded by draws from ``generator``, on its device.

    Examples
    --------
    >>> one, two = spawn(torch.Generator().manual_seed(0), 2)
    >>> one.initial_seed() == two.initial_seed()
    False
    """
    device = generator.device
    seeds = torch.randint(2**62, (count,), generator=generator, device=device).tolist()
    return [torch.Generator(device).manual_seed(seed) for seed in seeds]


def _uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers in [0, 1), one for each element of ``like``, in float64."""
    drawn = torch.rand(
        like.shape, generator=generator, device=generator.device, dtype=torch.float64
    )
    return drawn.to(like.device)


def _summed_squares(A: Sparse) -> Tensor:
    return A.values.new_zeros(A.n).index_add(0, A.sparsity.rows, A.values.square())
