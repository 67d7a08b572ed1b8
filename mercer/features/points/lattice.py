"""Rank-1 lattices."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mercer.features.points.base import PointSet, as_integers, check_choice
from mercer.features.points.doubling import BITS, fractions, span
from mercer.linalg.random_source import random_source

LONGEST = 32  # log2 of the number of points that a vector of the caller's is read for


class Lattice(PointSet):
    r"""The multiples of one vector, :math:`x_i = \{\phi(i) z + \Delta\}`, braces for modulo one.

    In the order ``"radical inverse"`` :math:`\phi` is van der Corput's: the binary digits of ``i``
    mirrored at the point. The first :math:`2^m` points are the lattice of :math:`2^m` points for
    every ``m``, and bit-reversed Fourier transforms diagonalise the Gram matrix of a
    shift-invariant kernel on them. ``"gray"`` takes the same points in the order of the Gray code,
    and ``"natural"`` has :math:`\phi(i) = i / n`: it is no sequence, as ``n`` must be known.

    Parameters
    ----------
    dimension : int
        ``d``; at most 4096 with the default vector.
    generating_vector : array of int, shape (d',) or (replications, d'), optional
        ``z``, odd positive numbers with ``d' >= d``, of which the first ``d`` are taken. By default
        one made by :func:`component_by_component` for lattices of ``2**10`` to ``2**20`` points.
    randomisation : "shift" or None
        ``"shift"`` draws :math:`\Delta` uniformly from the cube.
    order : "radical inverse", "gray" or "natural"
        The order of the points.
    generator : torch.Generator, optional
        Source of the shift; a new one seeded with 0 by default.
    replications : int, optional
        Number of independent shifts.

    Attributes
    ----------
    generating_vector : Tensor, shape (d,) or (replications, d)
        ``z`` in int64.
    shift : Tensor, shape (*replications, d), or None
        :math:`\Delta` in float64.
    limit : int
        ``2**20``, and ``2**32`` for a vector of the caller's.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its domain; by :meth:`points` in natural order, if ``n`` is no
        power of two or ``start`` is not 0.

    References
    ----------
    Aleksei G. Sorokin, "QMCPy: A Python Software for Randomized Low-Discrepancy Sequences,
    Quasi-Monte Carlo, and Fast Kernel Methods", https://arxiv.org/abs/2502.14256; Ian H. Sloan,
    Stephen Joe, "Lattice Methods for Multiple Integration", Oxford University Press, 1994

    Examples
    --------
    >>> Lattice(2, generating_vector=[1, 3], randomisation=None).points(4)
    tensor([[0.0000, 0.0000],
            [0.5000, 0.5000],
            [0.2500, 0.7500],
            [0.7500, 0.2500]], dtype=torch.float64)
    """

    randomisations: ClassVar[tuple[str, ...]] = ("shift",)
    orders: ClassVar[tuple[str, ...]] = ("radical inverse", "gray", "natural")

    def __init__(
        self,
        dimension: int,
        *,
        generating_vector: Any | None = None,
        randomisation: str | None = "shift",
        order: str = "radical inverse",
        generator: torch.Generator | None = None,
        replications: int | None = None,
    ) -> None:
        super().__init__(dimension, randomisation=randomisation, replications=replications)
        check_choice("order", order, self.orders)
        self.order = order
        self.limit = 1 << (20 if generating_vector is None else LONGEST)
        z = _default_vector() if generating_vector is None else generating_vector
        self.generating_vector = self._checked("generating_vector", z)
        if randomisation == "shift":
            # In fixed point, so that differences of points are exact.
            shape = (*self._batch, dimension)
            shift = torch.randint(1 << BITS, shape, generator=random_source(generator))
            self.shift = shift.double() / (1 << BITS)
            self._shift_bits = shift.numpy()

    def _checked(self, name: str, given: Any) -> Tensor:
        z = as_integers(name, given)
        if z.ndim == 0 or z.shape[:-1] not in ((), self._batch):
            raise ValueError(
                f"{name} must have shape (d,) or (replications, d), got {tuple(z.shape)}"
            )
        if z.shape[-1] < self.dimension:
            raise ValueError(
                f"dimension must be at most {z.shape[-1]}, the length of the generating_vector, "
                f"got {self.dimension}"
            )
        z = z[..., : self.dimension].clone()
        bad = (z % 2 == 0) | (z < 1)
        if bool(bad.any()):
            raise ValueError(f"{name} must hold odd positive numbers, got {int(z[bad][0])}")
        return z

    def _points(self, n: int, start: int) -> Tensor:
        m = (n - 1).bit_length()
        if self.order == "natural" and (n != 1 << m or start):
            raise ValueError(
                "n must be a power of two and start 0 in natural order, "
                f"got n = {n} and start = {start}; the radical inverse order has no such bounds"
            )
        # Bit k of i adds z / 2^(k + 1), in natural order z 2^k / n.
        shifts = BITS - 1 - np.arange(self.limit.bit_length() - 1)
        if self.order == "natural":
            shifts = shifts[:m][::-1]
        columns = self.generating_vector.numpy()[..., None, :] << shifts[:, None]
        first = np.zeros_like(columns[..., 0, :]) if self.shift is None else self._shift_bits
        gray = self.order == "gray"
        return fractions(span(first, columns, np.add, n, start, gray=gray))


@cache
def _default_vector() -> Tensor:
    file = files(__package__) / "data" / "lattice.npy"
    with file.open("rb") as stream:
        return torch.from_numpy(np.load(stream, allow_pickle=False)).long()
