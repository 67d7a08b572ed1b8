"""Weights of greatest entropy that balance given functions: a Newton method on the dual."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.linalg.solution import ConvergenceWarning

NORMS = ("largest", "euclidean")
SHRINK = 0.1  # of the barrier from one level to the next
FLAT = 1e-13  # relative to the curvature: keeps a singular Hessian invertible


class Balance(NamedTuple):
    """Weights and the function that makes them.

    ``weights = least_weight + prior * exp(H @ coefficients + intercept)``.
    """

    weights: Tensor  # [n]
    coefficients: Tensor  # [J]
    intercept: float
    imbalance: Tensor  # [J]
    steps: int


def balance(
    H: Tensor,
    target: Tensor,
    total: int,
    *,
    prior: Tensor | None = None,
    least_weight: float = 1.0,
    tolerance: float = 1e-3,
    penalty: float = math.inf,
    norm: str = "largest",
    gap: float = 1e-8,
    max_iterations: int = 300,
) -> Balance:
    r"""Find the weights of greatest entropy under which the observed rows balance ``H``.

    .. math:: \min_w \; \frac1N \sum_i \Big[(w_i - a) \log \frac{w_i - a}{b_i} - (w_i - a)\Big]
       + \gamma \xi \quad \text{s.t.} \quad
       \Big\| \frac1N \sum_i w_i h(x_i) - \bar h \Big\| \le C + \xi, \;
       \sum_i w_i = N

    Its dual is a smooth convex function of one number for each function, plus ``C`` times the
    dual norm; that norm is replaced by the minimum over a logarithmic barrier, whose weight falls.

    Parameters
    ----------
    H : Tensor, shape (n, J)
        The functions at the observed rows.
    target : Tensor, shape (J,)
        :math:`\bar h`, their means over all rows.
    total : int
        :math:`N`, how many rows there are, observed or not.
    prior : Tensor, shape (n,), optional
        :math:`b`, positive: ``w - a`` is wanted near it; default 1.
    least_weight : {0, 1}
        :math:`a`. With 1 the propensities ``1 / w`` are below one; 0 is the entropy of the weights.
    tolerance : float, at least 0
        :math:`C`, the imbalance that is allowed.
    penalty : float, positive
        :math:`\gamma`, the price of the imbalance beyond that; infinite: none is allowed.
    norm : {"largest", "euclidean"}
        Whether each function has its own constraint (and slack), or all have one together.
    gap : float, positive
        How near the minimum.
    max_iterations : int
        Most Newton steps.

    Returns
    -------
    Balance

    Raises
    ------
    ValueError
        If shapes do not fit or a number is out of its domain.

    Examples
    --------
    Half of the rows have h = 1, but three of four observed ones:

    >>> H = torch.tensor([[1.0], [1.0], [1.0], [0.0]], dtype=torch.float64)
    >>> balance(H, torch.tensor([0.5]).double(), 12, tolerance=0.0).weights
    tensor([2.0000, 2.0000, 2.0000, 6.0000], dtype=torch.float64)

    References
    ----------
    J. Hainmueller, "Entropy Balancing for Causal Effects". https://doi.org/10.1093/pan/mpr025
    Q. Zhao, "Covariate balancing propensity score by tailored loss functions".
    https://arxiv.org/abs/1601.05890
    """
    b = torch.ones(len(H), dtype=H.dtype, device=H.device) if prior is None else prior
    _check(H, target, total, b, least_weight, tolerance, penalty, norm)
    ones = torch.ones(len(H), 1, dtype=H.dtype, device=H.device)
    rows = torch.cat([H, ones], dim=1)  # [n, J + 1]
    means = torch.cat([target, ones[0]])
    start = math.log((total - least_weight * len(H)) / float(b.sum()))
    theta = torch.cat([torch.zeros_like(target), start * ones[0]])

    def dual(theta: Tensor, barrier: float) -> Tensor:
        s = rows @ theta
        fit = (least_weight * s.sum() + (b * s.exp()).sum()) / total - means @ theta
        return fit + _penalised(theta[:-1], tolerance, penalty, barrier, norm)[0]

    constraints = len(target) if norm == "largest" else 1
    last = gap / (2 * max(constraints, 1))
    barrier = max(tolerance, last)
    steps = 0
    while steps < max_iterations:
        steps += 1
        excess = b * (rows @ theta).exp()
        _, slope, curvature = _penalised(theta[:-1], tolerance, penalty, barrier, norm)
        gradient = rows.mT @ (least_weight + excess) / total - means
        hessian = rows.mT @ (excess[:, None] * rows) / total
        gradient[:-1] += slope
        hessian[:-1, :-1] += curvature
        hessian.diagonal().add_(FLAT * hessian.diagonal().max())
        step = -torch.linalg.solve(hessian, gradient)
        decrement = -float(gradient @ step)
        if decrement > (gap if barrier > last else 1e-6 * gap):
            theta = _line_search(dual, theta, step, decrement, barrier)
        elif barrier > last:
            barrier = max(SHRINK * barrier, last)
        else:
            break
    else:
        warnings.warn(
            f"balance stopped after {steps} steps: the functions may not be balanced to "
            f"tolerance={tolerance:g} by any weights; raise it, or set a finite penalty",
            ConvergenceWarning,
            stacklevel=2,
        )
    weights = least_weight + b * (rows @ theta).exp()
    imbalance = H.mT @ weights / total - target
    return Balance(weights, theta[:-1], float(theta[-1]), imbalance, steps)


def _penalised(
    theta: Tensor, C: float, bound: float, mu: float, norm: str
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Value, gradient and Hessian of the barrier's ``C |theta|`` with ``|theta| < bound``.

    :math:`\min_{t > r} C t - \mu \log(t^2 - r^2) = k - \mu \log k` up to a constant, where
    :math:`k = \mu + \sqrt{\mu^2 + C^2 r^2}`.
    """
    r2 = theta.square() if norm == "largest" else theta.square().sum()[None]
    root = (mu**2 + C**2 * r2).sqrt()
    k = mu + root
    room = 1 - r2 / bound**2
    if bool((room <= 0).any()):
        return theta.new_tensor(math.inf), theta, theta
    value = (k - mu * k.log() - mu * room.log()).sum()
    rate = C**2 / k + 2 * mu / (bound**2 * room)  # the gradient is rate * theta
    change = -(C**4) / (k.square() * root) + 4 * mu / (bound**2 * room).square()
    if norm == "largest":
        return value, rate * theta, torch.diag(rate + change * r2)
    eye = torch.eye(len(theta), dtype=theta.dtype, device=theta.device)
    return value, rate * theta, rate * eye + change * torch.outer(theta, theta)


def _line_search(
    dual: Callable[[Tensor, float], Tensor],
    theta: Tensor,
    step: Tensor,
    decrement: float,
    barrier: float,
) -> Tensor:
    """Halve the step until the dual falls enough; its rounding is not mistaken for a rise."""
    here = dual(theta, barrier)
    size = 1.0
    while size > 1e-12:
        there = dual(theta + size * step, barrier)
        if bool(there <= here - 0.25 * size * decrement + 1e-15 * (1 + abs(here))):
            break
        size /= 2
    return theta + size * step


def _check(
    H: Tensor,
    target: Tensor,
    total: int,
    prior: Tensor,
    least_weight: float,
    tolerance: float,
    penalty: float,
    norm: str,
) -> None:
    checks.finite("H", checks.floating("H", H))
    checks.alike("target", checks.floating("target", target), "H", H)
    checks.positive("prior", prior)
    if H.ndim != 2 or target.shape != H.shape[1:] or prior.shape != H.shape[:1]:
        raise ValueError(
            f"H, target and prior must have shapes (n, J), (J,) and (n,), got "
            f"{tuple(H.shape)}, {tuple(target.shape)} and {tuple(prior.shape)}"
        )
    if least_weight not in (0, 1):
        raise ValueError(f"least_weight must be 0 or 1, got {least_weight}")
    if checks.count("total", total) <= least_weight * len(H):
        raise ValueError(
            f"total must be above the {len(H)} observed rows where least_weight is 1, got {total}"
        )
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance must be at least 0, got {tolerance}")
    if not penalty > 0:
        raise ValueError(f"penalty must be positive, got {penalty}")
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
