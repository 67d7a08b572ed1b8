"""Fast component-by-component construction of rank-1 lattices that are good at many sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mercer import checks


def component_by_component(
    dimension: int,
    bits: int,
    *,
    least_bits: int = 10,
    order_weights: Sequence[float] = (1.0, 1.0, 1.0),
    coordinate_weights: Sequence[float] | None = None,
) -> Tensor:
    r"""A generating vector whose lattices of ``2**m`` points are good for every ``m`` in a range.

    The squared worst-case error of the lattice of ``n = 2^m`` points in the weighted space of
    periodic functions with square-integrable mixed first derivatives is

    .. math:: e_m^2(z) = \frac1n \sum_{k<n} \sum_{\emptyset \ne u} \Gamma_{|u|}
              \prod_{j \in u} \gamma_j \, 2\pi^2 B_2(\{k z_j / n\}).

    Components are chosen one after the other: each makes the largest ratio, over ``m``, of the
    error to the least error that any choice has at that ``m`` as small as it can. A component that
    was taken is not taken again. As the odd numbers modulo ``2^s`` are, up to sign, the powers of
    5, a sum over ``k`` for every choice of a component at once is a circular correlation.

    Parameters
    ----------
    dimension : int
        Length of the vector, at most ``2**(bits - 2)``.
    bits : int
        The largest lattice has ``2**bits`` points; at least 3.
    least_bits : int
        The smallest that counts has ``2**least_bits`` points; smaller ones do as they fall out.
    order_weights : sequence of float
        ``Gamma_1, Gamma_2, ...``, not negative; sets of more coordinates than given have weight 0.
    coordinate_weights : sequence of float, shape (dimension,), optional
        ``gamma_j``, positive; one by default.

    Returns
    -------
    Tensor, shape (dimension,)
        Odd integers below ``2**bits`` in int64; the first is 1.

    Raises
    ------
    ValueError
        If the sizes do not fit together or a weight is out of its domain.

    References
    ----------
    Ronald Cools, Frances Y. Kuo, Dirk Nuyens, "Constructing embedded lattice rules for
    multivariate integration", https://doi.org/10.1137/06065074X; Dirk Nuyens, Ronald Cools, "Fast
    algorithms for component-by-component construction of rank-1 lattice rules",
    https://doi.org/10.1090/S0025-5718-06-01785-6

    Examples
    --------
    >>> component_by_component(2, 5, least_bits=5)[0]
    tensor(1)
    """
    checks.count("bits", bits, 3)
    checks.interval("least_bits", checks.count("least_bits", least_bits, 2), 2, bits)
    if checks.count("dimension", dimension) > 2 ** (bits - 2):
        raise ValueError(f"dimension must be at most 2**(bits - 2), got {dimension}")
    gamma = torch.ones(dimension, dtype=torch.float64)
    if coordinate_weights is not None:
        gamma = checks.positive(
            "coordinate_weights", torch.tensor(coordinate_weights, dtype=torch.float64)
        )
    if len(gamma) != dimension:
        raise ValueError(f"coordinate_weights must have {dimension} entries, got {len(gamma)}")
    if not order_weights or min(order_weights) < 0 or not math.isfinite(sum(order_weights)):
        raise ValueError(f"order_weights must not be empty or negative, got {order_weights}")

    powers = _powers_of_five(bits)
    levels = [_Level(s, powers, len(order_weights)) for s in range(bits + 1)]
    error = torch.zeros(bits + 1, dtype=torch.float64)  # e_m^2 of the components so far
    free = torch.ones(2 ** (bits - 2), dtype=torch.bool)
    chosen = []
    for j in range(dimension):
        total = torch.zeros(1, dtype=torch.float64)  # over the levels up to m
        worst = torch.zeros(1, dtype=torch.float64)
        added = []
        for m, level in enumerate(levels):
            sums = level.sums(order_weights)
            total = total.repeat(len(sums) // len(total)) + sums
            added.append(gamma[j] * total / 2**m)
            worst = worst.repeat(len(sums) // len(worst))
            if m >= least_bits:
                candidate = error[m] + added[m]
                worst = torch.maximum(worst, candidate / candidate.min())
        c = 0 if j == 0 else int(torch.where(free, worst, torch.inf).argmin())
        free[c] = False
        chosen.append(c)
        for m, level in enumerate(levels):
            error[m] += added[m][c % len(added[m])]
            level.include(c, float(gamma[j]))
    return powers[chosen]


class _Level:
    """The points ``k / 2^s`` with odd ``k``, one of each pair ``k, -k``: ``k = 5^a mod 2^s``."""

    def __init__(self, s: int, powers: Tensor, orders: int) -> None:
        count = 2 ** max(s - 2, 0)
        x = (powers[:count] % 2**s).double() / 2**s
        self.pairs = 1 if s < 2 else 2  # 0 and 1/2 are their own negatives
        self.omega = 2 * math.pi**2 * (x * x - x + 1 / 6)  # [count]
        self.transform = torch.fft.rfft(self.omega)
        # Elementary symmetric functions of gamma_j omega({k z_j / n}) of the orders 0, 1, ...
        self.symmetric = torch.zeros(orders, count, dtype=torch.float64)
        self.symmetric[0] = 1

    def sums(self, order_weights: Sequence[float]) -> Tensor:
        """``sum_k q_k omega({k z / 2^s})`` for ``z = 5^c``, all ``c``: shape ``(count,)``."""
        q = torch.tensor(order_weights, dtype=torch.float64) @ self.symmetric
        product = self.transform * torch.fft.rfft(q).conj()
        return self.pairs * torch.fft.irfft(product, n=len(q))

    def include(self, c: int, gamma: float) -> None:
        """Take ``z = 5^c`` as the next component."""
        factor = gamma * self.omega.roll(-(c % len(self.omega)))
        self.symmetric[1:] += factor * self.symmetric[:-1]


def _powers_of_five(bits: int) -> Tensor:
    """``5^a mod 2^bits`` for ``a < 2^(bits - 2)``, by doubling."""
    powers = torch.ones(1, dtype=torch.int64)
    for k in range(bits - 2):
        powers = torch.cat([powers, powers * pow(5, 2**k, 2**bits) % 2**bits])
    return powers
