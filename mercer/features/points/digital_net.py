"""Digital nets in base 2."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mercer import checks
from mercer.features.points.base import PointSet, as_integers, check_choice
from mercer.features.points.doubling import BITS, BLOCK, Integers, fractions, span
from mercer.features.points.hashing import keys
from mercer.features.points.joe_kuo import DIGITS, sobol_columns
from mercer.features.points.scrambling import (
    interlaced,
    linear_matrix_scramble,
    nested_uniform_scramble,
)
from mercer.linalg.random_source import random_source


class DigitalNet(PointSet):
    r"""Sobol's sequence, or other digital nets in base 2, of any order, scrambled or not.

    The digits of coordinate ``j`` of point ``i`` are :math:`S_j C_j \vec\imath \oplus \Delta_j`
    modulo two: :math:`\vec\imath` the binary digits of ``i``, the lowest first, :math:`C_j` a
    generating matrix, :math:`S_j` a scrambling matrix and :math:`\Delta_j` a digital shift. A net
    of order :math:`\alpha \ge 2` interlaces the digits of :math:`\alpha d` coordinates: its
    integration error falls as :math:`n^{-\alpha}` up to logarithms where the integrand has
    :math:`\alpha` derivatives. Matrices and nested scramblings are applied before interlacing, the
    shift after it.

    Parameters
    ----------
    dimension : int
        ``d``; with the default matrices ``alpha * d`` is at most 21201.
    alpha : int
        The order of the net, at least 1.
    generating_matrices : array of int, shape (d', m) or (replications, d', m), optional
        Columns of the matrices, with ``d' >= alpha * d``, not interlaced. A column is a number, the
        first row its highest digit; the largest number tells how many rows there are. By default
        Sobol's, of 32 columns, with the direction numbers of Joe and Kuo.
    randomisation : str or None
        ``"digital shift"``, or ``"permutation"``, which in base 2 is the same thing;
        ``"linear matrix scrambling"``, with ``" and digital shift"`` or without, which leaves the
        first point at the origin; ``"nested uniform scrambling"``, Owen's.
    order : "radical inverse" or "gray"
        ``"gray"`` takes Gray's code of ``i`` for ``i``.
    generator : torch.Generator, optional
        Source of what is random; a new one seeded with 0 by default.
    replications : int, optional
        Number of independent randomisations.

    Attributes
    ----------
    bits : int
        Binary digits of a coordinate, 52; further ones are dropped.
    shift_bits : Tensor, shape (*replications, d), or None
        The digital shift, int64 with ``bits`` digits; ``shift`` is the same in ``[0, 1)``.
    columns : Tensor, shape (m, d') or (replications, m, d')
        Columns of the matrices that are used, int64; before interlacing (``d' = alpha * d``) where
        scrambling is nested and uniform, else after it (``d' = d``).
    limit : int
        ``2**m``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain.

    References
    ----------
    Aleksei G. Sorokin, "QMCPy: A Python Software for Randomized Low-Discrepancy Sequences,
    Quasi-Monte Carlo, and Fast Kernel Methods", https://arxiv.org/abs/2502.14256; Josef Dick,
    "Higher order scrambled digital nets achieve the optimal rate of the root mean square error for
    smooth integrands", https://arxiv.org/abs/1007.0842

    Examples
    --------
    >>> DigitalNet(2, randomisation=None).points(4)
    tensor([[0.0000, 0.0000],
            [0.5000, 0.5000],
            [0.2500, 0.7500],
            [0.7500, 0.2500]], dtype=torch.float64)
    """

    randomisations: ClassVar[tuple[str, ...]] = (
        "digital shift",
        "linear matrix scrambling",
        "linear matrix scrambling and digital shift",
        "nested uniform scrambling",
        "permutation",
    )
    orders: ClassVar[tuple[str, ...]] = ("radical inverse", "gray")
    bits = BITS

    def __init__(
        self,
        dimension: int,
        *,
        alpha: int = 1,
        generating_matrices: Any | None = None,
        randomisation: str | None = "linear matrix scrambling and digital shift",
        order: str = "radical inverse",
        generator: torch.Generator | None = None,
        replications: int | None = None,
    ) -> None:
        super().__init__(dimension, randomisation=randomisation, replications=replications)
        self.alpha = checks.count("alpha", alpha)
        check_choice("order", order, self.orders)
        self.order = order
        self._digits = -(-BITS // alpha)  # of a coordinate before interlacing
        columns, rows = self._matrices(generating_matrices)
        self.limit = 1 << columns.shape[-2]
        self._rows = min(rows, self._digits)
        how, source = randomisation or "", random_source(generator)
        if "matrix" in how:
            columns = linear_matrix_scramble(columns, self._rows, self._digits, self._batch, source)
        self._keys = None
        if "nested" in how:
            self._keys = keys((*self._batch, columns.shape[-1]), source)
        else:
            columns = interlaced(columns, alpha, self._digits, BITS)
        self.columns = columns
        self.shift_bits: Tensor | None = None
        if "shift" in how or how == "permutation":
            shape = (*self._batch, dimension)
            self.shift_bits = torch.randint(1 << BITS, shape, generator=source)
            self.shift = self.shift_bits.double() / (1 << BITS)

    def _matrices(self, given: Any | None) -> tuple[Tensor, int]:
        """Columns ``[*batch or (), m, alpha d]`` with ``_digits`` digits, and how many can be 1."""
        d = self.alpha * self.dimension
        if given is None:
            columns, rows = sobol_columns(d), DIGITS
        else:
            matrices = self._checked("generating_matrices", given)
            columns, rows = matrices[..., :d, :].mT, int(matrices.max()).bit_length()
        more = self._digits - rows
        return columns << more if more >= 0 else columns >> -more, rows

    def _checked(self, name: str, given: Any) -> Tensor:
        matrices, d = as_integers(name, given), self.alpha * self.dimension
        if matrices.ndim < 2 or matrices.shape[:-2] not in ((), self._batch):
            raise ValueError(
                f"{name} must have shape (d, m) or (replications, d, m), "
                f"got {tuple(matrices.shape)}"
            )
        if matrices.shape[-2] < d:
            raise ValueError(
                f"{name} must be at least alpha * dimension = {d} matrices, "
                f"got {matrices.shape[-2]}"
            )
        if not 1 <= matrices.shape[-1] <= BITS:
            raise ValueError(f"{name} must have 1 to {BITS} columns, got {matrices.shape[-1]}")
        if int(matrices.min()) < 0 or int(matrices.max()) == 0:
            raise ValueError(f"{name} must be numbers below 2**63, not negative and not all 0")
        return matrices

    def integers(self, n: int, start: int = 0) -> Tensor:
        """The digits of the points, randomised: ``points`` times ``2**bits``.

        Parameters
        ----------
        n, start : int
            As in :meth:`points`.

        Returns
        -------
        Tensor, shape (*replications, n, d)
            int64 with ``bits`` binary digits. Those of points ``i`` and ``j`` combined by exclusive
            or are the digits of point ``i ^ j`` unshifted, save with nested uniform scrambling.
        """
        self._check_range(n, start)
        return torch.from_numpy(self._integers(n, start))

    def _points(self, n: int, start: int) -> Tensor:
        return fractions(self._integers(n, start))

    def _integers(self, n: int, start: int) -> Integers:
        columns = self.columns.numpy()
        if self.order == "gray":  # bit k of Gray's code of i is the sum of the bits k, k + 1 of i
            columns = columns.copy()
            columns[..., 1:, :] ^= self.columns.numpy()[..., :-1, :]
        first = np.zeros_like(columns[..., 0, :])
        if self.shift_bits is not None:
            first = first ^ self.shift_bits.numpy()
        x = span(first, columns, np.bitwise_xor, n, start)
        return x if self._keys is None else self._scrambled(x, self._keys)

    def _scrambled(self, x: Integers, keys: Tensor) -> Integers:
        """Nested uniform scrambling, and interlacing, of points ``[*batch or (), n, alpha d]``."""
        parts = []
        for part in torch.from_numpy(x).split(max(BLOCK // keys.numel(), 1), dim=-2):
            part = nested_uniform_scramble(part, keys, self._rows, self._digits)
            parts.append(interlaced(part, self.alpha, self._digits, BITS))
        return torch.cat(parts, dim=-2).numpy()
