"""A point for every subset of columns, by doubling: points 2^k to 2^(k+1) - 1 add column k.

Coordinates are fixed-point numbers of ``BITS`` binary digits in int64: as many as a float64 in
``[1, 2)`` has behind the point, so that a point is made by writing those of 1 before them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

BITS = 52
ONE = 0x3FF << BITS  # the sign and exponent of 1.0
RUN = 1 << 14  # numbers combined with a column at once: half of it outruns NumPy's buffer
BLOCK = 1 << 16  # numbers that stay in the cache

Integers = npt.NDArray[np.int64]


def doubled(first: Integers, columns: Integers, combine: np.ufunc) -> Integers:
    """Points ``x_i``: ``first`` combined with column ``k`` for every bit ``k`` of ``i``.

    Parameters
    ----------
    first : array of int64, shape (*batch, d)
        The point ``x_0``.
    columns : array of int64, shape (*batch or (), m, d)
        What the bits of ``i`` contribute.
    combine : numpy.ufunc
        ``np.bitwise_xor`` for nets, ``np.add`` for lattices.

    Returns
    -------
    array of int64, shape (*batch, 2**m, d)
        The points. Sums are not reduced modulo one.

    Examples
    --------
    >>> doubled(np.array([0]), np.array([[2], [1]]), np.bitwise_xor).ravel()
    array([0, 2, 1, 3])
    """
    *batch, d = first.shape
    m = columns.shape[-2]
    # NumPy asks the system for huge pages: torch's memory would cost more than the points.
    out = np.empty((*batch, d << m), dtype=np.int64)
    if d << m <= BLOCK:
        _double(out, first, columns, combine)
    else:  # NumPy copies what interleaves with its output: a set of points at a time does not
        for index in np.ndindex(*batch):
            _double(out[index], first[index], columns[index[: columns.ndim - 2]], combine)
    return out.reshape(*batch, 1 << m, d)


def _double(out: Integers, first: Integers, columns: Integers, combine: np.ufunc) -> None:
    """Fill ``out``, shape ``(*batch, 2^m d)``."""
    *batch, d = first.shape
    *many, m, _ = columns.shape
    out[..., :d] = first
    width = max(RUN // d, 1).bit_length() - 1  # points in a run, as a power of two
    for k in range(m):
        w = min(k, width)
        run = columns[..., k : k + 1, :].repeat(1 << w, axis=-2)
        shape = (*batch, 1 << (k - w), d << w)
        x, new = out[..., : d << k], out[..., d << k : d << (k + 1)]
        combine(x.reshape(shape), run.reshape(*many, 1, d << w), out=new.reshape(shape))


def span(
    first: Integers, columns: Integers, combine: np.ufunc, n: int, start: int, *, gray: bool = False
) -> Integers:
    """The points ``start`` to ``start + n - 1``, from the one or two blocks that hold them.

    Parameters
    ----------
    first, columns, combine
        As for :func:`doubled`.
    n, start : int
        The points; ``start + n`` is at most ``2**m``.
    gray : bool
        Whether Gray's code of ``i`` is taken for ``i``.

    Returns
    -------
    array of int64, shape (*batch, n, d)
        The points.
    """
    s = (n - 1).bit_length()
    parts = []
    for a in range(start >> s, ((start + n - 1) >> s) + 1):
        high = a ^ a >> 1 if gray else a
        origin = first
        for k in range(high.bit_length()):
            if high >> k & 1:
                origin = combine(origin, columns[..., s + k, :])
        x = doubled(origin, columns[..., :s, :], combine)
        if gray:
            i = np.arange(1 << s)
            x = x.take(i ^ i >> 1 ^ (a & 1) << s >> 1, axis=-2)
        begin, end = (min(max(i - (a << s), 0), 1 << s) for i in (start, start + n))
        parts.append(x[..., begin:end, :])
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)


def fractions(x: Integers) -> Tensor:
    """The numbers ``x / 2^BITS`` modulo one, in the memory of ``x``, where that is contiguous."""
    x = np.ascontiguousarray(x)
    flat, points = x.reshape(-1), x.view(np.float64)
    for begin in range(0, flat.size, BLOCK):
        part = flat[begin : begin + BLOCK]
        part &= (1 << BITS) - 1
        part |= ONE
        part.view(np.float64)[...] -= 1
    return torch.from_numpy(points)
