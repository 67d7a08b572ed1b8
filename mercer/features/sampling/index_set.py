"""Multi-indices of tensor-product bases."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mercer import checks

KINDS = ("total", "hyperbolic", "maximum")


def index_set(degree: int, dimension: int, kind: str = "total") -> Tensor:
    r"""Multi-indices :math:`\alpha \in N^d` of bounded degree.

    Parameters
    ----------
    degree : int
        The bound ``p``, from zero.
    dimension : int
        ``d``.
    kind : {"total", "hyperbolic", "maximum"}
        :math:`\sum_j \alpha_j \le p`; :math:`\prod_j (\alpha_j + 1) \le p + 1`;
        :math:`\max_j \alpha_j \le p`.

    Returns
    -------
    Tensor, shape (m, d)
        Integers, in lexicographic order.

    Examples
    --------
    >>> index_set(2, 2).tolist()
    [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [2, 0]]
    >>> len(index_set(3, 2, "hyperbolic")), len(index_set(3, 2, "maximum"))
    (8, 16)
    """
    checks.count("degree", degree, 0)
    checks.count("dimension", dimension)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")

    def admissible(index: tuple[int, ...]) -> bool:
        if kind == "total":
            return sum(index) <= degree
        return kind == "maximum" or math.prod(a + 1 for a in index) <= degree + 1

    # Sets are closed downwards, so that prefixes of admissible indices are admissible.
    found: list[tuple[int, ...]] = [()]
    for _ in range(dimension):
        longer = ((*index, a) for index in found for a in range(degree + 1))
        found = [index for index in longer if admissible(index)]
    return torch.tensor(found)
