"""Triangular meshes as graphs."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer import checks
from mercer.features.graph.graph import Graph
from mercer.operators import Sparse


def mesh_graph(faces: Tensor, n: int, dtype: torch.dtype = torch.float64) -> Graph:
    """The graph whose edges, all of weight one, are the sides of the triangles of a mesh.

    Parameters
    ----------
    faces : Tensor of int64, shape (k, 3)
        The vertices of each triangle.
    n : int
        Number of vertices.
    dtype : torch.dtype
        Of the weights.

    Returns
    -------
    Graph

    Raises
    ------
    TypeError, ValueError, IndexError
        If ``faces`` has another shape or names vertices outside ``0, ..., n - 1``.

    Examples
    --------
    >>> mesh_graph(torch.tensor([[0, 1, 2], [1, 2, 3]]), 4).degrees
    tensor([2, 3, 3, 2])
    """
    sides = _triangles(faces)[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).mT  # [2, 3 k]
    indices = torch.cat([sides, sides.flip(0)], 1).unique(dim=1)
    return Graph(Sparse(indices, torch.ones(indices.shape[1], dtype=dtype), (n, n)))


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """The unit normals of a mesh at its vertices: means over triangles, weighted by their areas.

    Parameters
    ----------
    vertices : Tensor, shape (n, 3)
        Positions.
    faces : Tensor of int64, shape (k, 3)
        The vertices of each triangle, seen anticlockwise from outside.

    Returns
    -------
    Tensor, shape (n, 3)
        Zero at vertices of no triangle.

    Raises
    ------
    TypeError, ValueError
        If the shapes are others or a position is not finite.

    Examples
    --------
    >>> corners = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    >>> vertex_normals(corners, torch.tensor([[0, 1, 2]]))[0]
    tensor([0., 0., 1.])
    """
    checks.finite("vertices", checks.floating("vertices", vertices))
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise ValueError(f"vertices must have shape (n, 3), got {tuple(vertices.shape)}")
    a, b, c = vertices[_triangles(faces)].unbind(1)  # [k, 3] each
    areas = torch.linalg.cross(b - a, c - a)
    sums = torch.zeros_like(vertices).index_add(0, faces.flatten(), areas.repeat_interleave(3, 0))
    return torch.nn.functional.normalize(sums, dim=1)


def _triangles(faces: Tensor) -> Tensor:
    if faces.dtype != torch.int64 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(
            f"faces must be int64 of shape (k, 3), got {faces.dtype} of {tuple(faces.shape)}"
        )
    return faces
