"""Scramblings of binary digits: by random matrices and by random nested permutations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mercer.features.points.hashing import mixed

LEVELS = 6  # of the tree served by one hash: 2^6 - 1 nodes, a bit each


def linear_matrix_scramble(
    columns: Tensor, rows: int, digits: int, batch: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    r"""``S C`` with a random lower triangular ``S``, ones on its diagonal, for every coordinate.

    Parameters
    ----------
    columns : Tensor, shape (*batch or (), m, d)
        Columns of generating matrices ``C``, int64 with ``digits`` binary digits.
    rows, digits : int
        Rows of ``C`` that are not zero, and rows of ``S``.
    batch : tuple of int
        Shape of independent scramblings.
    generator : torch.Generator
        Source of ``S``.

    Returns
    -------
    Tensor, shape (*batch, m, d)
        The columns of ``S C``.

    References
    ----------
    Jiří Matoušek, "On the L2-discrepancy for anchored boxes",
    https://doi.org/10.1006/jcom.1998.0489
    """
    C = columns.numpy()
    S = torch.randint(1 << digits, (rows, *batch, 1, C.shape[-1]), generator=generator).numpy()
    scrambled = np.zeros((*batch, *C.shape[-2:]), dtype=np.int64)
    for row in range(rows):
        place = digits - 1 - row
        column = S[row] & ((1 << place) - 1) | 1 << place  # of S, zero above its diagonal
        scrambled ^= (C >> place & 1) * column
    return torch.from_numpy(scrambled)


def nested_uniform_scramble(x: Tensor, keys: Tensor, rows: int, digits: int) -> Tensor:
    """Flip every digit by a random bit of its own for each value of the digits before it.

    The bits sit at the nodes of a binary tree and are a hash of key and node, so that a point is
    scrambled alike whenever it is asked for.

    Parameters
    ----------
    x : Tensor, shape (*batch or (), n, d)
        int64 with ``digits`` binary digits, those after the first ``rows`` zero.
    keys : Tensor, shape (*batch, d)
        A key for every scrambling.
    rows, digits : int
        Digits of the points, and digits wanted.

    Returns
    -------
    Tensor, shape (*batch, n, d)
        Scrambled points.

    References
    ----------
    Art B. Owen, "Randomly permuted (t, m, s)-nets and (t, s)-sequences",
    https://doi.org/10.1007/978-1-4612-2552-2_19
    """
    keys = keys.unsqueeze(-2)
    flips: Tensor | int = 0
    for top in range(0, rows, LEVELS):
        levels = min(LEVELS, rows - top)
        rest = digits - top - levels
        bits = mixed(keys, _node(x, top, digits))
        path = x >> rest & ((1 << levels) - 1)
        for level in range(levels):
            # Nodes of the small tree are numbered 1; 2, 3; 4, ..., 7; ...
            node = path >> (levels - level) | 1 << level
            flips = flips | (bits >> node & 1) << (rest + levels - 1 - level)
    rest = digits - rows
    # Below the last row paths no longer part: one node decides on all digits.
    return x ^ flips ^ mixed(keys, _node(x, rows, digits)) & ((1 << rest) - 1)


def _node(x: Tensor, depth: int, digits: int) -> Tensor:
    """The node that the first ``depth`` digits lead to, numbered as a heap."""
    return x >> (digits - depth) | 1 << depth


def interlaced(x: Tensor, alpha: int, digits: int, bits: int) -> Tensor:
    """One number of each ``alpha`` in turn: their first digits, then their second ones, ...

    Parameters
    ----------
    x : Tensor, shape (*batch, n, alpha d)
        int64 with ``digits`` binary digits.
    alpha, digits, bits : int
        The order; digits of ``x``; digits kept of the result.

    Returns
    -------
    Tensor, shape (*batch, n, d)
        int64 with ``bits`` binary digits.

    References
    ----------
    Josef Dick, "Walsh spaces containing smooth functions and quasi-Monte Carlo rules of arbitrary
    high order", https://doi.org/10.1137/060666639

    Examples
    --------
    >>> f"{int(interlaced(torch.tensor([0b110, 0b001]), 2, 3, 6)):06b}"
    '101001'
    """
    if alpha == 1:
        return x << (bits - digits) if digits <= bits else x >> (digits - bits)
    x = x.unflatten(-1, (-1, alpha))
    out = torch.zeros_like(x[..., 0])
    for place in range(min(bits, alpha * digits)):
        row, which = divmod(place, alpha)
        out |= (x[..., which] >> (digits - 1 - row) & 1) << (bits - 1 - place)
    return out
