"""f-divergences between two weightings of the same points."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks


class Divergence(NamedTuple):
    r"""A convex :math:`f` with :math:`f(1) = 0`; :math:`D_f(p, q) = \sum_i p_i f(q_i / p_i)`.

    Parameters
    ----------
    value : callable
        :math:`f(t)` of a tensor of ``t`` in [0, inf).
    slope : callable
        :math:`f'(t)`.
    recession : float
        :math:`\lim f(t) / t = \lim f'(t)` for large t, what a unit of ``q`` costs where ``p`` is
        zero; may be infinite.
    """

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    recession: float


def _jensen_shannon(t: Tensor) -> Tensor:
    middle = (1 + t) / 2
    return (torch.xlogy(t, t) - (1 + t) * middle.log()) / 2


DIVERGENCES = {
    # of q from p: sum p log(p / q)
    "kl": Divergence(lambda t: -t.log(), lambda t: -1 / t, 0.0),
    # of p from q: sum q log(q / p)
    "reverse-kl": Divergence(lambda t: torch.xlogy(t, t), lambda t: 1 + t.log(), math.inf),
    # Pearson's: sum (q - p)^2 / p
    "chi-square": Divergence(lambda t: (t - 1).square(), lambda t: 2 * (t - 1), math.inf),
    # the square of Hellinger's distance: sum (sqrt p - sqrt q)^2 / 2
    "hellinger": Divergence(
        lambda t: (1 - t.sqrt()).square() / 2, lambda t: (1 - t.rsqrt()) / 2, 0.5
    ),
    "jensen-shannon": Divergence(
        _jensen_shannon, lambda t: (2 * t / (1 + t)).log() / 2, math.log(2) / 2
    ),
    "total-variation": Divergence(
        lambda t: (t - 1).abs() / 2, lambda t: torch.sign(t - 1) / 2, 0.5
    ),
}


def divergence_of(name: str | Divergence) -> Divergence:
    """The divergence of a name; one that is given as such is returned.

    Raises
    ------
    ValueError
        If there is no such divergence.

    Examples
    --------
    >>> divergence_of("chi-square").value(torch.tensor([0.0, 3.0]))
    tensor([1., 4.])
    """
    if isinstance(name, Divergence):
        return name
    if name not in DIVERGENCES:
        raise ValueError(f"divergence must be one of {', '.join(DIVERGENCES)}, got {name!r}")
    return DIVERGENCES[name]


def f_divergence(p: Tensor, q: Tensor, divergence: str | Divergence = "kl") -> Tensor:
    r"""Evaluate :math:`D_f(p, q) = \sum_i p_i f(q_i / p_i)`.

    Where :math:`p_i = 0` the term is its limit, :math:`q_i` times the recession slope of f.

    Parameters
    ----------
    p : Tensor, shape (n,)
        Weights of the points, not negative.
    q : Tensor, shape (*batch, n)
        Weights of the same points, not negative.
    divergence : Divergence or str
        f: "kl", which is :math:`\sum p \log (p / q)`, "reverse-kl", "chi-square", "hellinger",
        "jensen-shannon" or "total-variation".

    Returns
    -------
    Tensor, shape (*batch,)
        Differentiable in both where the sum is.

    Raises
    ------
    TypeError, ValueError
        If weights are negative or not finite, or do not fit each other.

    Examples
    --------
    >>> p, q = torch.tensor([0.5, 0.5]), torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    >>> f_divergence(p, q, "total-variation")
    tensor([0.0000, 0.5000])

    References
    ----------
    I. Csiszár, P. C. Shields, "Information Theory and Statistics: A Tutorial", 2004.
    https://doi.org/10.1561/0100000004
    """
    for name, weights in (("p", p), ("q", q)):
        checks.finite(name, checks.floating(name, weights))
        if checks.concrete(weights) and bool((weights < 0).any()):
            raise ValueError(f"{name} must not be negative, got {float(weights.min()):g}")
    if p.ndim != 1 or q.shape[-1:] != p.shape:
        raise ValueError(
            f"p must have shape (n,) and q (*batch, n), got {tuple(p.shape)} and {tuple(q.shape)}"
        )
    checks.alike("q", q, "p", p)
    return weighted_sum(p, q, divergence_of(divergence))


def weighted_sum(p: Tensor, q: Tensor, f: Divergence) -> Tensor:
    """:func:`f_divergence` without its checks."""
    inside = p > 0
    if bool(inside.all()):
        return (p * f.value(q / p)).sum(dim=-1)
    outside = q[..., ~inside].sum(dim=-1)
    if math.isinf(f.recession):
        outside = torch.where(outside > 0, math.inf, 0.0).to(q)
    else:
        outside = f.recession * outside
    return (p[inside] * f.value(q[..., inside] / p[inside])).sum(dim=-1) + outside
