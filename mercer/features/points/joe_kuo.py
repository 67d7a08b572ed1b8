"""Generating matrices of Sobol's sequence with the direction numbers of Joe and Kuo."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from torch import Tensor

DIMENSIONS = 21201
DIGITS = 32  # columns, and rows, of a matrix


@lru_cache(maxsize=4)
def sobol_columns(dimension: int) -> Tensor:
    r"""Columns of the first generating matrices of Sobol's sequence.

    A dimension has a primitive polynomial :math:`x^s + a_1 x^{s-1} + \dots + a_s` over the field of
    two elements and odd numbers :math:`m_1, \dots, m_s`. Its column ``k`` is
    :math:`v_k = m_k 2^{-k}`, and from :math:`k = s + 1` on

    .. math:: v_k = a_1 v_{k-1} \oplus \dots \oplus a_s v_{k-s} \oplus v_{k-s} 2^{-s}.

    Parameters
    ----------
    dimension : int
        How many matrices, 1 to 21201.

    Returns
    -------
    Tensor, shape (32, dimension)
        int64: columns as numbers of 32 binary digits, the first row's digit the highest.

    Raises
    ------
    ValueError
        If the table has fewer dimensions.

    References
    ----------
    Stephen Joe, Frances Y. Kuo, "Constructing Sobol sequences with better two-dimensional
    projections", https://doi.org/10.1137/070709359

    Examples
    --------
    >>> [f"{v:032b}"[:3] for v in sobol_columns(3)[:3, 2]]
    ['100', '110', '011']
    """
    if dimension > DIMENSIONS:
        raise ValueError(
            f"dimension must be at most {DIMENSIONS} (the table's, over alpha), got {dimension}; "
            "give generating_matrices"
        )
    table = _table()
    polynomial = table["polynomials"][:dimension].astype(np.int64)
    degree = np.frexp(polynomial)[1] - 1  # frexp: polynomial < 2^exponent
    m = _initial(table["digits"], degree)  # [d, s]
    v = np.empty((DIGITS, dimension), dtype=np.int64)
    v[:, 0] = 1 << np.arange(DIGITS - 1, -1, -1)  # the first dimension is van der Corput's
    for s in range(1, int(degree[-1]) + 1):  # the table is sorted by degree
        part = slice(*np.searchsorted(degree, (s, s + 1)))
        a = polynomial[part] >> np.arange(s - 1, -1, -1)[:, None] & 1  # [s, part]
        v[:s, part] = m[part, :s].T << DIGITS - 1 - np.arange(s)[:, None]
        for k in range(s, DIGITS):
            terms = a[::-1] * v[k - s : k, part]
            v[k, part] = np.bitwise_xor.reduce(terms, axis=0) ^ v[k - s, part] >> s
    return torch.from_numpy(v)


def _initial(digits: Any, degree: Any) -> Any:
    """``m_1, m_2, ...`` of every dimension, shape ``(d, s)``; what is beyond the degree is 1."""
    i = np.arange(degree[-1])
    free = (i[None, :, None] < degree[:, None, None]) & (i[None, None, :] < i[None, :, None])
    bits = np.zeros(free.shape, dtype=np.int64)
    bits[free] = np.unpackbits(digits, count=int(free.sum()))
    return 1 + (bits << (i + 1)).sum(-1)


@cache
def _table() -> dict[str, Any]:
    with (files(__package__) / "data" / "joe_kuo.npz").open("rb") as stream:
        return dict(np.load(stream, allow_pickle=False))
