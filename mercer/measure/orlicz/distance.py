"""The Orlicz-Wasserstein distance of point clouds, exactly and by Sinkhorn's iterations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.measure.orlicz.crossing import crossing, implicit
from mercer.measure.orlicz.function import OrliczFunction
from mercer.measure.orlicz.luxemburg import luxemburg_norm
from mercer.measure.orlicz.self_transport import self_transport
from mercer.measure.transport.exact import assigned_coupling, optimal_coupling
from mercer.measure.transport.sinkhorn import masses, sinkhorn

# The most that a unit of mass pays: a coupling that puts more than 1e-8 of its mass where the
# function is above is not admissible anyway, and no exponential overflows.
MOST = 1e8


def orlicz_wasserstein(
    X: Tensor,
    Y: Tensor,
    function: OrliczFunction,
    a: Tensor | None = None,
    b: Tensor | None = None,
    *,
    epsilon: float = 0.0,
    debiased: bool = True,
    tol: float = 1e-8,
    sinkhorn_tol: float = 1e-6,
    max_iterations: int = 10_000,
) -> Tensor:
    r"""Return :math:`W_\Phi = \inf\{\lambda > 0 : \min_\pi E_\pi \Phi(|x - y| / \lambda) \le 1\}`.

    With ``epsilon`` the inner minimum over couplings becomes the Sinkhorn divergence
    :math:`OT_\epsilon(\mu, \nu) - \tfrac12 OT_\epsilon(\mu, \mu) - \tfrac12 OT_\epsilon(\nu, \nu)`
    of the cost :math:`\Phi(|x - y| / \lambda)`, or :math:`OT_\epsilon(\mu, \nu)` alone. Let h be
    the larger entropy of the two masses, at most :math:`\log n`. While :math:`\epsilon h < 1` the
    answer is in :math:`[W_\Phi / (1 + \epsilon h), W_\Phi / (1 - \epsilon h)]`, and not below
    :math:`W_\Phi` if it is not debiased.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Points of one measure.
    Y : Tensor, shape (m, d)
        Of the other.
    function : OrliczFunction
        ``Phi``.
    a, b : Tensor, shapes (n,), (m,), optional
        Positive masses that sum to one; equal ones by default.
    epsilon : float, at least 0
        Of the entropy, beside an inner minimum of one; zero for exact transport: an assignment for
        equal masses, else a linear program.
    debiased : bool
        Whether to take the Sinkhorn divergence.
    tol : float
        Relative error of the search over scales.
    sinkhorn_tol, max_iterations
        See :func:`mercer.measure.transport.sinkhorn`.

    Returns
    -------
    Tensor, shape ()
        Differentiable once in ``X`` and ``Y``, at the optimal coupling; zero, without a gradient
        of its own, where all but 1e-8 of the mass agrees.

    Examples
    --------
    >>> from mercer.measure.orlicz import Exponential, Power
    >>> X, Y = torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [6.0]])
    >>> orlicz_wasserstein(X, Y, Power(1.0))
    tensor(4.)
    >>> orlicz_wasserstein(X, Y, Exponential(1.0))
    tensor(5.8926)

    References
    ----------
    A. Guha, N. Ho, X. Nguyen, "On Excess Mass Behavior in Gaussian Mixture Models with
    Orlicz-Wasserstein Distances". https://arxiv.org/abs/2301.11496

    J. Feydy et al., "Interpolating between Optimal Transport and MMD using Sinkhorn Divergences".
    https://arxiv.org/abs/1810.08278
    """
    checks.instance("function", function, OrliczFunction, "Power(2.0)")
    _check(X, Y)
    equal = a is None and b is None and len(X) == len(Y)
    a, b = _probabilities("a", a, X), _probabilities("b", b, Y)
    if not 0 <= epsilon < float("inf"):
        raise ValueError(f"epsilon must be at least 0 and finite, got {epsilon:g}")
    tol = float(checks.positive("tol", tol))

    how: dict[str, Any] = {
        "epsilon": epsilon,
        "tol": sinkhorn_tol,
        "max_iterations": max_iterations,
    }

    def transport(cost: Tensor) -> Tensor:
        if epsilon > 0:
            return sinkhorn(cost, a, b, **how).value
        i, j, mass = (
            assigned_coupling(cost.detach()) if equal else optimal_coupling(cost.detach(), a, b)
        )
        return mass.to(cost) @ cost[i, j]

    def value(X: Tensor, Y: Tensor) -> Callable[[Tensor], Tensor]:
        """The inner minimum, or its divergence, as a function of the scale."""
        X, Y = X.double(), Y.double()
        across, inX, inY = (_distances(*pair) for pair in ((X, Y), (X, X), (Y, Y)))

        def at(scale: Tensor) -> Tensor:
            found = transport(_cost(function, across, scale))
            if epsilon == 0 or not debiased:
                return found
            own = self_transport(_cost(function, inX, scale), a, **how)
            return found - (own + self_transport(_cost(function, inY, scale), b, **how)) / 2

        return at

    low, high = _bracket(_distances(X.detach().double(), Y.detach().double()), a, b, function)
    if high == 0:
        return X.new_zeros(())
    scale = crossing(value(X.detach(), Y.detach()), low, high, tol)
    if scale <= low * (1 + tol):
        return X.new_zeros(())
    return implicit(value(X, Y), scale, X, Y)


def _bracket(C: Tensor, a: Tensor, b: Tensor, function: OrliczFunction) -> tuple[float, float]:
    r"""Scales below and above the answer.

    Above: the product of the measures is a coupling without relative entropy, so that at its norm
    the inner minimum is at most one with or without ``epsilon``; terms subtracted are not negative.
    The minimum decreases in the scale and is continuous. Exact, f(lambda) >= W / lambda for lambda
    below W, by convexity; the divergence is at least f - epsilon h, since the coupling of a measure
    with itself along the diagonal costs epsilon times its entropy. So both exceed one somewhere
    below.

    Below: there every positive distance pays the most, and the inner minimum no longer changes.
    """
    high = float(luxemburg_norm(C.flatten(), function, torch.outer(a, b).flatten()))
    if high == 0:
        return 0.0, 0.0
    return min(high, float(C[C > 0].min()) / float(function.inverse(C.new_tensor(MOST)))), high


def _cost(function: OrliczFunction, distances: Tensor, scale: Tensor) -> Tensor:
    largest = function.inverse(distances.new_tensor(MOST))
    return function((distances / scale).clamp(max=largest))


def _distances(X: Tensor, Y: Tensor) -> Tensor:
    """Euclidean, ``[n, m]``, as differences: equal points are at distance zero."""
    return torch.cdist(X, Y, compute_mode="donot_use_mm_for_euclid_dist")


def _probabilities(name: str, value: Tensor | None, points: Tensor) -> Tensor:
    found = masses(name, value, points, len(points)).double()
    if abs(float(found.sum()) - 1) > 1e-5:
        raise ValueError(f"{name} must sum to one, got {float(found.sum()):g}")
    return found / found.sum()


def _check(X: Tensor, Y: Tensor) -> None:
    for name, points in (("X", X), ("Y", Y)):
        checks.finite(name, checks.floating(name, points))
        if points.ndim != 2 or len(points) == 0:
            raise ValueError(f"{name} must have shape (n, d), got {tuple(points.shape)}")
    checks.alike("Y", Y, "X", X)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(f"X has {X.shape[1]} coordinates but Y has {Y.shape[1]}")
