"""Draws from densities on the line by inversion."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mercer.features.sampling.panels import gauss_legendre, panel_nodes

ORDER = 8  # of the polynomials that stand for a density on one interval
ROUNDING = 1e-14  # of a distribution function
STEPS = 60  # bisection alone ends within


class InverseCDF:
    """Inverse distribution functions of ``K`` densities on one interval.

    On each panel a density is interpolated at Gauss's nodes by a polynomial and integrated in
    closed form. Panels are found in the cumulated sums, points within by Newton's method, which is
    kept in a bracket.

    Parameters
    ----------
    densities : callable
        From points ``[P, q]`` to ``[P, q, K]``; not negative. They are normalised.
    edges : Tensor, shape (P + 1,)
        Ends of the panels, ascending; each density is smooth within a panel.

    Examples
    --------
    >>> quantile = InverseCDF(lambda x: x[..., None], torch.linspace(0, 1, 5))  # density 2 x
    >>> quantile(torch.tensor([0]), torch.tensor([0.25], dtype=torch.float64))
    tensor([0.5000], dtype=torch.float64)
    """

    def __init__(self, densities: Callable[[Tensor], Tensor], edges: Tensor) -> None:
        nodes, _ = gauss_legendre(ORDER)
        x, _ = panel_nodes(edges, ORDER)
        powers = torch.arange(ORDER, dtype=torch.float64)
        vandermonde = nodes[:, None] ** powers  # [ORDER, ORDER]
        values = densities(x).movedim(-1, 0)  # [K, P, ORDER]
        monomials = torch.linalg.solve(vandermonde, values.mT).mT
        half = edges.diff() / 2  # [P]
        integral = half[:, None] * monomials / (powers + 1)  # of s^1, s^2, ...: [K, P, ORDER]
        start = (integral * (-1.0) ** (powers + 1)).sum(-1)  # [K, P], at s = -1
        mass = integral.sum(-1) - start  # [K, P]
        total = mass.sum(-1)[:, None]
        self.edges = edges
        self.polynomials = torch.cat([-start[..., None], integral], -1) / total[..., None]
        cumulated = torch.cat([torch.zeros_like(total), mass.clamp(min=0).cumsum(-1) / total], -1)
        self.cumulated = cumulated  # [K, P + 1]
        # One ascending table for all densities: that of density k lies in [k, k + 1].
        self._table = (cumulated.clamp(max=1) + torch.arange(len(total))[:, None]).flatten()

    def __call__(self, which: Tensor, level: Tensor) -> Tensor:
        """Quantiles at ``level`` in [0, 1] of the densities ``which``, both of shape ``(n,)``."""
        panels = len(self.edges) - 1
        place = torch.searchsorted(self._table, level + which) - which * (panels + 1) - 1
        panel = place.clamp(0, panels - 1)
        polynomial = self.polynomials[which, panel].T.contiguous()  # [ORDER + 1, n]
        wanted = level - self.cumulated[which, panel]
        s = _root(polynomial, wanted)
        left, right = self.edges[panel], self.edges[panel + 1]
        return left + (right - left) * (1 + s) / 2


def _root(polynomial: Tensor, wanted: Tensor) -> Tensor:
    """Where ascending polynomials ``[order, n]`` have the values ``wanted`` on [-1, 1]: ``[n]``."""
    low, high = -torch.ones_like(wanted), torch.ones_like(wanted)
    s = torch.zeros_like(wanted)
    for _ in range(STEPS):
        value, slope = polynomial[-1], torch.zeros_like(s)
        for k in range(len(polynomial) - 2, -1, -1):
            slope = torch.addcmul(value, slope, s)
            value = torch.addcmul(polynomial[k], value, s)
        excess = value - wanted
        if bool((excess.abs() <= ROUNDING).all()):
            break
        low, high = torch.where(excess < 0, s, low), torch.where(excess < 0, high, s)
        newton = s - excess / slope
        s = torch.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
    return s
