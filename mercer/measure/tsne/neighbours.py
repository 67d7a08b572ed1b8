"""Nearest neighbours: all distances in tiles, or pynndescent's graph."""

from __future__ import annotations

import importlib.util
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer.measure.tsne.native import call

METHODS = ("auto", "exact", "approximate")
WORK = {"cpu": 1e12, "cuda": 1e15}  # multiplications up to which all distances are the faster way
ROWS, COLUMNS = {"cpu": 512, "cuda": 4096}, {"cpu": 2048, "cuda": 2**17}
GATHERED = 64  # points whose neighbours' coordinates are gathered at once, to stay in the cache

# Keeps the k least scores of each row. sizes: rows, columns of the tile, first column, k, room;
# in: scores [rows, columns]; out: kept scores and indices [rows, room], count and bound [rows].
# What is below the bound is appended; a full list is cut to its k least, the largest of which is
# the bound from then on.
SELECT = """
static void cut(real *s, int32_t *j, int64_t size, int64_t k) {
  int64_t a = 0, b = size - 1;
  while (a < b) {
    const real pivot = s[(a + b) / 2];
    int64_t l = a, r = b;
    while (l <= r) {
      while (s[l] < pivot) l++;
      while (s[r] > pivot) r--;
      if (l <= r) {
        const real t = s[l]; s[l] = s[r]; s[r] = t;
        const int32_t u = j[l]; j[l] = j[r]; j[r] = u;
        l++; r--;
      }
    }
    if (k - 1 <= r) b = r; else if (k - 1 >= l) a = l; else break;
  }
}

void tile(const int64_t *n, void **in, void **out) {
  const int64_t columns = n[1], first = n[2], k = n[3], room = n[4];
  #pragma omp parallel for schedule(dynamic, 16)
  for (int64_t i = 0; i < n[0]; i++) {
    const real *s = (const real *)in[0] + columns * i;
    real *kept = (real *)out[0] + room * i, bound = ((real *)out[3])[i];
    int32_t *index = (int32_t *)out[1] + room * i;
    int64_t count = ((int64_t *)out[2])[i];
    for (int64_t c = 0; c < columns; c += 32) {
      const int64_t end = c + 32 < columns ? c + 32 : columns;
      int any = end < c + 32;
      if (!any) {
        #pragma omp simd reduction(|:any)
        for (int q = 0; q < 32; q++) any |= s[c + q] < bound;
      }
      if (!any) continue;
      for (int64_t q = c; q < end; q++) {
        if (!(s[q] < bound)) continue;
        kept[count] = s[q];
        index[count++] = first + q;
        if (count == room) {
          cut(kept, index, room, k);
          count = k;
          bound = kept[0];
          for (int64_t l = 1; l < k; l++) if (kept[l] > bound) bound = kept[l];
        }
      }
    }
    ((real *)out[3])[i] = bound;
    ((int64_t *)out[2])[i] = count;
  }
}
"""


class Neighbours(NamedTuple):
    """For each point its neighbours and the squared distances to them, the nearest first."""

    indices: Tensor  # [n, k], int64
    squared_distances: Tensor  # [n, k]


def unit(*tables: Tensor) -> float:
    """A power of two near the largest entry: divided by it, points have squares in range.

    Affinities depend on ratios of distances, which such a division leaves as they are.

    Examples
    --------
    >>> unit(torch.tensor([[3e30, -6e30]])) == 2.0**102
    True
    """
    largest = max(abs(float(end)) for table in tables for end in table.aminmax())
    limit = 1 - math.frexp(torch.finfo(tables[0].dtype).tiny)[1]  # reciprocals are in range too
    return 2.0 ** max(-limit, min(limit, math.frexp(largest)[1] - 1))


def choose(method: str, n: int, m: int, d: int, device: torch.device) -> str:
    """How neighbours of ``n`` points among ``m`` are found: "exact" or "approximate".

    Raises
    ------
    ValueError
        If there is no such method.
    ImportError
        If it is pynndescent's and that is not installed.

    Examples
    --------
    >>> choose("auto", 5000, 5000, 784, torch.device("cpu"))
    'exact'
    """
    if method not in METHODS:
        raise ValueError(f"neighbours must be one of {', '.join(METHODS)}, got {method!r}")
    if method == "auto":
        small = float(n) * m * (d + 32) <= WORK["cpu" if device.type == "cpu" else "cuda"]
        method = "exact" if small else "approximate"
    if method == "approximate" and importlib.util.find_spec("pynndescent") is None:
        raise ImportError(
            f"approximate neighbours of {n:,} points need the package pynndescent; install "
            'mercer[neighbours], or say neighbours="exact" and wait'
        )
    return method


def exact_neighbours(
    X: Tensor, k: int, Y: Tensor | None = None, *, backend: str = "torch", progress: Any = None
) -> Neighbours:
    r"""The ``k`` nearest of the points ``Y``, or of the other points ``X``.

    Candidates are ranked by :math:`|y|^2 - 2 x \cdot y` in the dtype of the points, tile by tile;
    distances are then computed by differences.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        The points.
    k : int
        How many; fewer than the points among which they are.
    Y : Tensor, shape (m, d), optional
        Among which; by default ``X``, and then a point is no neighbour of itself.
    backend : {"compiled", "torch"}
        Who selects.
    progress : callable, optional
        Given ``{"iteration", "of"}`` after each block of rows.

    Returns
    -------
    Neighbours

    Examples
    --------
    >>> exact_neighbours(torch.tensor([[0.0], [1.0], [3.0]]), 1).indices.flatten()
    tensor([1, 0, 1])
    """
    among = X if Y is None else Y
    centre = among.mean(0)
    near = among - centre
    half = near.square().sum(1) / 2
    rows = ROWS["cpu" if X.device.type == "cpu" else "cuda"]
    select = _select_compiled if backend == "compiled" else _select_torch
    found = []
    for start in range(0, len(X), rows):
        block = X[start : start + rows] - centre
        own = start if Y is None else None
        found.append(_nearest_first(block, near, select(block, near, half, k, own)))
        if progress is not None:
            progress({"iteration": min(start + rows, len(X)), "of": len(X)})
    return Neighbours(*(torch.cat(parts) for parts in zip(*found)))


def approximate_neighbours(X: Tensor, k: int, *, seed: int, progress: bool = False) -> Neighbours:
    """The ``k`` near neighbours of each point in a graph that pynndescent descends to.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        The points; they are copied to the CPU.
    k : int
        How many.
    seed : int
        Of the search.
    progress : bool
        Whether pynndescent says what it does.

    Returns
    -------
    Neighbours
        On the device of the points, with distances by differences.
    """
    from pynndescent import NNDescent

    table = X.detach().cpu().float().numpy()
    graph = NNDescent(
        table, n_neighbors=k + 1, metric="euclidean", random_state=seed, verbose=progress
    )
    index = torch.from_numpy(graph.neighbor_graph[0]).long().to(X.device)  # [n, k + 1]
    # A point comes first among its own neighbours unless another is at the same place.
    own = index == torch.arange(len(X), device=X.device)[:, None]
    last = torch.ones_like(own).cumsum(1) == k + 1
    drop = torch.where(own.any(1, keepdim=True), own, last)
    index = index[~drop].view(len(X), k)
    parts = [
        _nearest_first(x, X, j) for x, j in zip(X.split(ROWS["cpu"]), index.split(ROWS["cpu"]))
    ]
    return Neighbours(*(torch.cat(part) for part in zip(*parts)))


def _nearest_first(x: Tensor, Y: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Indices ``[b, k]`` in the order of squared distances, and these."""
    s = torch.cat(
        [
            Y[j].sub_(point[:, None]).square_().sum(2)
            for point, j in zip(x.split(GATHERED), index.split(GATHERED))
        ]
    )
    s, order = s.sort(dim=1, stable=True)
    return index.gather(1, order), s


def _scores(x: Tensor, Y: Tensor, half: Tensor, first: int, own: int | None) -> Tensor:
    """``|y|^2 / 2 - x . y``, infinite for a point itself, which is row ``own`` of ``Y`` or none."""
    S = torch.addmm(half[None], x, Y.T, alpha=-1)  # [b, columns]
    if own is not None and first < own + len(x) and own < first + len(Y):
        row = torch.arange(max(own, first), min(own + len(x), first + len(Y)), device=x.device)
        S[row - own, row - first] = torch.inf
    return S


def _select_torch(x: Tensor, Y: Tensor, half: Tensor, k: int, own: int | None) -> Tensor:
    """Indices ``[b, k]`` of the least scores."""
    columns = COLUMNS["cpu" if x.device.type == "cpu" else "cuda"]
    score = x.new_empty(len(x), 0)
    index = torch.empty(len(x), 0, dtype=torch.int64, device=x.device)
    for first in range(0, len(Y), columns):
        tile = slice(first, first + columns)
        S = _scores(x, Y[tile], half[tile], first, own)
        best, at = S.topk(min(k, S.shape[1]), dim=1, largest=False, sorted=False)
        score, index = torch.cat((score, best), 1), torch.cat((index, at + first), 1)
        if score.shape[1] > k:
            score, at = score.topk(k, dim=1, largest=False, sorted=False)
            index = index.gather(1, at)
    return index


def _select_compiled(x: Tensor, Y: Tensor, half: Tensor, k: int, own: int | None) -> Tensor:
    """The same by a scan that reads each score once."""
    b, room = len(x), 2 * k + 16
    score, index = x.new_empty(b, room), torch.empty(b, room, dtype=torch.int32)
    count = torch.zeros(b, dtype=torch.int64)
    bound = x.new_full((b,), torch.inf)
    for first in range(0, len(Y), COLUMNS["cpu"]):
        tile = slice(first, first + COLUMNS["cpu"])
        S = _scores(x, Y[tile], half[tile], first, own)
        sizes = (b, S.shape[1], first, k, room)
        call(SELECT, x.dtype, sizes, (S,), (score, index, count, bound))
    beyond = torch.arange(room) >= count[:, None]
    at = score.masked_fill_(beyond, torch.inf).topk(k, dim=1, largest=False, sorted=False).indices
    return index.gather(1, at).long()
