"""Cubature that stops at a requested error."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.features.cubature.bayes import BayesRule
from mercer.features.cubature.cone import ConeRule
from mercer.features.cubature.periodisation import periodised
from mercer.features.cubature.replications import ReplicationsRule
from mercer.features.cubature.rule import ErrorRule, Estimate
from mercer.features.points import DigitalNet, Lattice, PointSet
from mercer.linalg.solution import ConvergenceWarning

RULES: dict[str, type[ErrorRule]] = {
    "replications": ReplicationsRule,
    "guaranteed": ConeRule,
    "bayes": BayesRule,
}


@dataclass(frozen=True)
class Cubature:
    """An integral, how far it may be off, and what it cost.

    Parameters
    ----------
    value : Tensor, shape (*out)
        The integral.
    error_bound : Tensor, shape (*out)
        What the rule says of its error.
    n : int
        Evaluations of the integrand, in all replications.
    seconds : float
        Wall time.
    converged : bool
        Whether every bound is within the request.
    explain : str
        Which rule and points, and what there is to say of them.
    """

    value: Tensor
    error_bound: Tensor
    n: int
    seconds: float
    converged: bool
    explain: str


def integrate(
    f: Callable[[Tensor], Tensor],
    dimension: int,
    *,
    absolute_error: float,
    relative_error: float = 0.0,
    rule: str | ErrorRule = "replications",
    points: type[PointSet] | PointSet = DigitalNet,
    confidence: float = 0.99,
    periodisation: str | None = "auto",
    max_points: int = 1 << 22,
    generator: torch.Generator | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Cubature:
    r"""Integrate over the unit cube until the error is within a tolerance.

    The points are doubled, and values at old points kept, until
    :math:`|\hat\mu - \mu| \le \max(\epsilon_a, \epsilon_r |\mu|)` follows from the bound of the
    rule in every output.

    Parameters
    ----------
    f : callable
        ``[n, d] -> [n, *out]`` in float64.
    dimension : int
        ``d``.
    absolute_error, relative_error : float
        The tolerances, at least 0 and not both 0: one of them suffices.
    rule : {"replications", "guaranteed", "bayes"} or ErrorRule
        :class:`ReplicationsRule`, :class:`ConeRule` or :class:`BayesRule`, or one of them with
        arguments of its own.
    points : type of PointSet or PointSet
        A class, of which ``generator`` makes one as the rule needs it, or the points.
    confidence : float
        Probability of the bound of each output, in (0, 1); the guaranteed rule has none.
    periodisation : str or None
        See :func:`periodised`. By default what the rule needs on a lattice (``baker`` for
        ``guaranteed``, ``C1 sine`` for ``bayes``), else none.
    max_points : int
        Most evaluations of ``f``.
    generator : torch.Generator, optional
        Source of the points' randomness.
    progress : callable, optional
        Told after each doubling, as a dict: ``iteration``, ``of``, ``points``, ``error_bound``.

    Returns
    -------
    Cubature

    Raises
    ------
    ValueError
        If the points do not suit the rule, or ``f`` returns NaN, infinity or a wrong shape.

    Warns
    -----
    ConvergenceWarning
        If ``max_points`` do not suffice, or the guaranteed rule sees that the integrand is not in
        its cone.

    References
    ----------
    A. G. Sorokin, QMCPy: A Python Software for Randomized Low-Discrepancy Sequences, Quasi-Monte
    Carlo, and Fast Kernel Methods. https://arxiv.org/abs/2502.14256

    Examples
    --------
    >>> found = integrate(lambda x: (-x.square().sum(-1)).exp(), 3, absolute_error=1e-4)
    >>> abs(float(found.value) - (math.sqrt(math.pi) / 2 * math.erf(1)) ** 3) < 1e-4
    True
    >>> found.explain
    'ReplicationsRule on a DigitalNet, 15 replications'
    """
    started = time.perf_counter()
    rule = _rule(rule)
    points = _point_set(points, dimension, rule, generator)
    tolerance = _tolerance(absolute_error, relative_error)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be above 0 and below 1, got {confidence:g}")
    if periodisation == "auto":
        periodisation = rule.periodisation if isinstance(points, Lattice) else None
    g = f if periodisation is None else periodised(f, periodisation)
    R = points.replications or 1
    most = min(max_points // R, points.limit)  # of each replication
    n, y, out = rule.first, torch.empty(R, 0, 0), torch.Size()
    if n > most:
        raise ValueError(f"max_points must be at least {n * R} for this rule, got {max_points}")
    while True:
        fresh, out = _values(g, points, y.shape[1], n)
        y = fresh if y.shape[1] == 0 else torch.cat([y, fresh], 1)  # [R, n, o]
        found = rule(y, points, confidence)
        value, converged = _judged(found, tolerance)
        if progress is not None:
            bound = float(found.bound.max())
            steps = (most // rule.first).bit_length(), (n // rule.first).bit_length()
            progress({"iteration": steps[1], "of": steps[0], "points": n * R, "error_bound": bound})
        if converged or 2 * n > most:
            break
        n *= 2
    explain = f"{type(rule).__name__} on a {type(points).__name__}"
    explain += f", periodised by {periodisation}" if periodisation else ""
    explain += f", {found.remark}" if found.remark else ""
    _warn(converged, found, n * R, absolute_error, relative_error)
    return Cubature(
        value.reshape(out),
        found.bound.reshape(out),
        n * R,
        time.perf_counter() - started,
        converged,
        explain,
    )


def _rule(rule: str | ErrorRule) -> ErrorRule:
    if isinstance(rule, ErrorRule):
        return rule
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)} or an ErrorRule, got {rule!r}")
    return RULES[rule]()


def _point_set(
    points: type[PointSet] | PointSet,
    dimension: int,
    rule: ErrorRule,
    generator: torch.Generator | None,
) -> PointSet:
    if isinstance(points, type):
        make: Any = points
        made: PointSet = make(dimension, generator=generator, replications=rule.replications())
    elif generator is not None:
        raise ValueError("generator must be None where points are given that have drawn theirs")
    else:
        made = points
    if made.dimension != dimension:
        raise ValueError(f"points must have dimension {dimension}, got {made.dimension}")
    rule.check(made)
    return made


def _tolerance(absolute: float, relative: float) -> Callable[[Tensor], Tensor]:
    for name, value in (("absolute_error", absolute), ("relative_error", relative)):
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{name} must be finite and at least 0, got {value:g}")
    if absolute == relative == 0:
        raise ValueError("absolute_error and relative_error must not both be 0")
    return lambda value: (relative * value.abs()).clamp_min(absolute)


def _values(
    f: Callable[[Tensor], Tensor], points: PointSet, start: int, stop: int
) -> tuple[Tensor, torch.Size]:
    """Values at the points ``start`` to ``stop - 1``, ``[R, stop - start, o]``, and ``out``."""
    x = points.points(stop - start, start).reshape(-1, points.dimension)  # [R n', d]
    y = f(x)
    if not isinstance(y, Tensor) or y.ndim == 0 or len(y) != len(x):
        shape = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        raise ValueError(f"f must return a tensor of shape ({len(x)}, *out), got {shape}")
    checks.finite("the integrand", y.reshape(len(x), -1))
    out = y.shape[1:]
    return y.detach().double().reshape(points.replications or 1, stop - start, out.numel()), out


def _judged(found: Estimate, tolerance: Callable[[Tensor], Tensor]) -> tuple[Tensor, bool]:
    """The value that is best for a tolerance that depends on it, and whether it is good enough."""
    low, high = found.value - found.bound, found.value + found.bound
    below, above = tolerance(low), tolerance(high)
    return (low + high + below - above) / 2, bool((high - low <= below + above).all())


def _warn(converged: bool, found: Estimate, n: int, absolute: float, relative: float) -> None:
    if not converged:
        warnings.warn(
            f"stopped after {n} points with an error bound of {float(found.bound.max()):.2g}, "
            f"above absolute_error={absolute:g} and relative_error={relative:g}; allow more "
            "max_points or a larger error",
            ConvergenceWarning,
            stacklevel=3,
        )
    if "cone" in found.remark:
        warnings.warn(
            "the integrand is not in the cone for which the error bound is guaranteed; use "
            "rule='replications', or begin with more points",
            ConvergenceWarning,
            stacklevel=3,
        )
