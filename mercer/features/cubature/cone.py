"""The error of cubature on a lattice or net, guaranteed for cones of functions."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.features.cubature.rule import (
    ErrorRule,
    Estimate,
    coefficients,
    outputs_first,
    power_of_two,
)
from mercer.features.points import PointSet

LAG = 4  # r: the coefficients that are summed are those of 2^-r of the wavenumbers


class ConeRule(ErrorRule):
    r"""A bound from the decay of discrete Fourier or Walsh coefficients.

    The error of ``n = 2^m`` points is the sum of the coefficients of all aliases of zero. For
    functions in a cone, whose true coefficients do not rise again after they have fallen,

    .. math::

        |\hat\mu - \mu| \le 5 \cdot 2^{-m}
        \sum_{\kappa = 2^{m-r-1}}^{2^{m-r} - 1} |\tilde f_{m, \kappa}|, \quad r = 4,

    where the wavenumbers are put in the order of falling coefficients as the data have it. The
    bound is certain for functions of the cone. That a function is not in it may be seen, and is
    then said in a warning.

    Parameters
    ----------
    first : int
        Points to begin with, a power of two, at least 256.

    References
    ----------
    F. J. Hickernell, Ll. A. Jiménez Rugama, Reliable adaptive cubature using digital sequences.
    https://arxiv.org/abs/1410.8615

    Ll. A. Jiménez Rugama, F. J. Hickernell, Adaptive multidimensional integration based on rank-1
    lattices. https://arxiv.org/abs/1411.1966

    Examples
    --------
    >>> from mercer.features.cubature import integrate
    >>> found = integrate(lambda x: x.prod(-1), 2, rule="guaranteed", absolute_error=1e-4)
    >>> abs(float(found.value) - 0.25) < 1e-4, found.n
    (True, 2048)
    """

    periodisation = "baker"

    def __init__(self, first: int = 1024) -> None:
        self.first = power_of_two("first", first, least=256)
        self._order: Tensor | None = None  # [o, n], wavenumbers by falling coefficients
        self._low: dict[int, Tensor] = {}  # necessary bounds of the true sums, by level
        self._high: dict[int, Tensor] = {}

    def __call__(self, y: Tensor, points: PointSet, confidence: float) -> Estimate:
        """The mean, the bound, and whether the data rule the cone out."""
        f = outputs_first(y)  # [o, n]
        n = f.shape[-1]
        m = n.bit_length() - 1
        size = coefficients(f, points).abs() / n**0.5  # [o, n]
        if self._order is None or 2 * self._order.shape[-1] != n:
            order, least = torch.arange(n, device=f.device).expand(f.shape), 0
        else:
            order, least = torch.cat([self._order, self._order + n // 2], -1), m - LAG - 1
        self._order = sorted_by_decay(order, size, least)
        falling = size.gather(-1, self._order)
        bound = fudge(m) * level_sum(falling, m - LAG)
        left = self._outside(falling, m)
        return Estimate(f.mean(-1), bound, "the cone is left" if left else "")

    def _outside(self, falling: Tensor, m: int) -> bool:
        """Whether the sums of a level, as seen from several ``m``, contradict the cone."""
        lowest = self.first.bit_length() - 1 - LAG
        for level in range(lowest, m + 1):
            seen = level_sum(falling, level)  # [o]
            aliased = fudge(m - level) * 2.0 ** (level - m) / ((1 + fudge(LAG)) * 2.0**-LAG)
            low = seen / (1 + aliased)
            high = seen / (1 - aliased) if aliased < 1 else torch.full_like(seen, torch.inf)
            self._low[level] = torch.maximum(self._low.get(level, low), low)
            self._high[level] = torch.minimum(self._high.get(level, high), high)
        return any(bool((self._low[k] > self._high[k]).any()) for k in self._low)


def sorted_by_decay(order: Tensor, size: Tensor, least: int) -> Tensor:
    """Exchange aliases so that of two the larger coefficient comes first, ``[o, n]``.

    At the levels ``m - 1`` down to ``least + 1``: at level ``l`` places ``k`` and ``k + 2^l``, for
    ``k`` from 1 below ``2^l``, in every block of ``2^{l+1}`` as in the first.
    """
    n = order.shape[-1]
    for level in range(n.bit_length() - 2, least, -1):
        half = 1 << level
        pairs = order.unflatten(-1, (n // (2 * half), 2, half))  # [o, blocks, 2, half]
        early, late = (size.gather(-1, pairs[:, 0, k]) for k in (0, 1))  # [o, half]
        swap = late > early
        swap[:, 0] = False
        order = torch.where(swap[:, None, None], pairs.flip(-2), pairs).flatten(1)
    return order


def level_sum(falling: Tensor, level: int) -> Tensor:
    """The sum over places ``2^{level-1}`` to ``2^level - 1``, ``[o]``."""
    return falling[:, 1 << (level - 1) : 1 << level].sum(-1)


def fudge(m: int) -> float:
    """How far the cone lets a sum of coefficients fall and rise again."""
    return 5.0 * 2.0**-m
