"""Halton's sequence."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mercer.features.points.base import PointSet
from mercer.features.points.digit_scrambling import (
    INDICES,
    DigitMap,
    digit_map,
    digitwise,
    linear,
    nested,
    scrambling_matrix,
)
from mercer.features.points.doubling import BITS
from mercer.features.points.hashing import keys
from mercer.linalg.random_source import random_source

LARGEST_BASE = 1 << 16
KEPT = 32  # coordinates whose maps are kept from call to call; further ones are large


class Halton(PointSet):
    r"""Coordinate ``j`` of point ``i`` is the radical inverse of ``i`` in the ``j``-th prime base.

    The digits of ``i`` in base ``b``, mirrored at the point: they are scrambled by a random lower
    triangular matrix modulo ``b``, by random maps of each digit, or by nested ones.

    Parameters
    ----------
    dimension : int
        ``d``, at most 6542: bases are the primes below 2**16.
    randomisation : str or None
        ``"permutation"``: a random permutation of the digits at each place; ``"digital shift"``: a
        random digit added to those at each place, modulo the base; ``"linear matrix scrambling"``
        alone, which leaves the first point at the origin, or followed by ``" and permutation"`` or
        ``" and digital shift"``; ``"nested uniform scrambling"``: a random permutation at each
        place for each value of the digits before it; ``"shift"``: one point added modulo one.
    generator : torch.Generator, optional
        Source of what is random; a new one seeded with 0 by default.
    replications : int, optional
        Number of independent randomisations.

    Attributes
    ----------
    bases : tuple of int
        The first ``d`` primes.
    shift : Tensor, shape (*replications, d), or None
        What ``"shift"`` added.
    limit : int
        ``2**32``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain.

    References
    ----------
    John H. Halton, "On the efficiency of certain quasi-random sequences of points in evaluating
    multi-dimensional integrals", https://doi.org/10.1007/BF01386213; Art B. Owen, "A randomized
    Halton algorithm in R", https://arxiv.org/abs/1706.02808; Aleksei G. Sorokin, "QMCPy: A Python
    Software for Randomized Low-Discrepancy Sequences, Quasi-Monte Carlo, and Fast Kernel Methods",
    https://arxiv.org/abs/2502.14256

    Examples
    --------
    >>> Halton(2, randomisation=None).points(4)
    tensor([[0.0000, 0.0000],
            [0.5000, 0.3333],
            [0.2500, 0.6667],
            [0.7500, 0.1111]], dtype=torch.float64)
    """

    randomisations: ClassVar[tuple[str, ...]] = (
        "permutation",
        "digital shift",
        "linear matrix scrambling",
        "linear matrix scrambling and permutation",
        "linear matrix scrambling and digital shift",
        "nested uniform scrambling",
        "shift",
    )
    limit = INDICES

    def __init__(
        self,
        dimension: int,
        *,
        randomisation: str | None = "linear matrix scrambling and permutation",
        generator: torch.Generator | None = None,
        replications: int | None = None,
    ) -> None:
        super().__init__(dimension, randomisation=randomisation, replications=replications)
        if dimension > len(_primes()):
            raise ValueError(f"dimension must be at most {len(_primes())}, got {dimension}")
        self.bases = _primes()[:dimension]
        self._made: dict[int, tuple[DigitMap, Tensor | None]] = {}
        shape, source = (*self._batch, dimension), random_source(generator)
        if randomisation == "shift":
            self.shift = torch.rand(shape, generator=source, dtype=torch.float64)
        else:
            self._map_keys = keys(shape, source)
            self._matrix_keys = keys(shape, source)

    def _points(self, n: int, start: int) -> Tensor:
        x = torch.from_numpy(np.empty((*self._batch, n, self.dimension)))
        for j, base in enumerate(self.bases):
            length = 1
            while base ** (length + 1) <= 1 << BITS:  # exact in float64, quotients below one
                length += 1
            x[..., j] = self._mirrored(j, base, length, n, start).double() / base**length
        if self.shift is not None:
            x += self.shift.unsqueeze(-2)
            x.frac_()
        return x

    def _mirrored(self, j: int, base: int, length: int, n: int, start: int) -> Tensor:
        """Scrambled digits of coordinate ``j``, ``[*batch, n]``."""
        how = self.randomisation
        if how == "nested uniform scrambling":
            return nested(start, n, self._map_keys[..., j], base, length)
        if j not in self._made:
            self._made[j] = self._maps(j, base, length)
        image, matrix = self._made[j] if j < KEPT else self._made.pop(j)
        if matrix is None:
            return digitwise(start, n, image, base, length)
        return linear(start, n, image, matrix, base, length)

    def _maps(self, j: int, base: int, length: int) -> tuple[DigitMap, Tensor | None]:
        """How the digits of coordinate ``j`` are mapped, and the matrix before that."""
        how = self.randomisation
        if how is None or how == "shift":
            return digit_map("", torch.tensor(0), base, length), None
        image = digit_map(how, self._map_keys[..., j], base, length)
        if "matrix" not in how:
            return image, None
        return image, scrambling_matrix(self._matrix_keys[..., j], base, length)


@cache
def _primes() -> tuple[int, ...]:
    """Eratosthenes' sieve."""
    prime = torch.ones(LARGEST_BASE, dtype=torch.bool)
    prime[:2] = False
    for p in range(2, int(LARGEST_BASE**0.5) + 1):
        if prime[p]:
            prime[p * p :: p] = False
    return tuple(prime.nonzero().flatten().tolist())
