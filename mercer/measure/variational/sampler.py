"""Stein variational sampling in Euclidean, mirrored and Riemannian geometry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import InverseMultiquadric, Kernel, median_distance
from mercer.measure.particles.evolve import State, evolve
from mercer.measure.score import ScoreFunction, scores
from mercer.measure.variational.direction import conjugated, stein_direction
from mercer.measure.variational.metric import Field, Metric
from mercer.measure.variational.mirror import Mirror, act
from mercer.measure.variational.optimiser import OPTIMISERS, scaled

METHODS = ("svgd", "msvgd", "svmd", "svng")


class Geometry(NamedTuple):
    """A metric at the particles, as matrices or their diagonals."""

    inverse: Tensor  # H^-1, [n, d, d] or [n, d]
    drift: Tensor  # H^-1 grad log p + div H^-1, [n, d]
    matrix: Tensor  # H


@torch.no_grad()
def stein_variational(
    score_function: ScoreFunction,
    start: Tensor,
    iterations: int,
    *,
    step: float,
    method: str = "svgd",
    mirror: Mirror | None = None,
    metric: Metric | None = None,
    kernel: Kernel | None = None,
    median: bool = True,
    spectrum: float = 0.98,
    optimiser: str = "rmsprop",
    before_step: Callable[[int], None] | None = None,
    on_step: Callable[[int, Tensor], dict[str, Any] | None] | None = None,
    verbose: bool = False,
    checkpoint: str | Path | None = None,
) -> Tensor:
    r"""Move particles so that their law nears a target as fast as a kernel permits.

    .. math:: \eta \leftarrow \eta + \epsilon\, E_{\theta' \sim q} [M_{p, \psi} K(\cdot, \theta')]

    with the mirrored Stein operator ``M`` on the second argument of ``K``: descent of the
    Kullback-Leibler divergence from the law ``q`` of the particles to the target ``p``.

    Parameters
    ----------
    score_function : callable
        Of the target: points ``[n, m]`` to scores of the same shape.
    start : Tensor, shape (n, m)
        Different particles, inside the domain.
    iterations : int
        How many steps.
    step : float, positive
        What the direction, scaled by the optimiser, is multiplied by.
    method : {"svgd", "msvgd", "svmd", "svng"}
        ``svgd``: Stein variational gradient descent, each step projected onto the domain.
        ``msvgd``: mirrored, a scalar kernel. ``svmd``: mirror descent, the kernel adapted to the
        Hessian of the mirror map. ``svng``: natural gradient, adapted to a metric.
    mirror : Mirror, optional
        :class:`Box` or :class:`Simplex`; without one the domain is all of space.
    metric : Metric, optional
        Of ``svng``.
    kernel : Kernel, optional
        A smooth function of squared distances; an inverse multiquadric by default.
    median : bool
        Whether the kernel reads particles divided by the median of their distances.
    spectrum : float in (0, 1]
        Of ``svmd`` and ``svng``: the share of the kernel's eigenvalues that is kept.
    optimiser : {"rmsprop", "adagrad", "plain"}
        How coordinates of a step are scaled.
    before_step : callable, optional
        Called with the number of the iteration, from 0: the place to choose a minibatch, which
        must depend on that number alone if runs are to go on from checkpoints.
    on_step : callable, optional
        Called after each step with its number, from 1, and the points; numbers that it returns
        are shown.
    verbose, checkpoint :
        As in :func:`mercer.measure.particles.evolve`.

    Returns
    -------
    Tensor, shape (n, m)

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, the start is outside the domain, or a step leads to infinity.

    Examples
    --------
    >>> from mercer.measure.variational import Box
    >>> start = torch.linspace(0.1, 0.9, 20, dtype=torch.float64)[:, None]
    >>> how = {"method": "msvgd", "mirror": Box(0.0, 1.0), "step": 0.05}
    >>> X = stein_variational(lambda x: 1 / x, start, 300, **how)  # density 2x on (0, 1)
    >>> abs(X.mean().item() - 2 / 3) < 0.02
    True

    References
    ----------
    J. Shi, C. Liu, L. Mackey, "Sampling with Mirrored Stein Operators", ICLR 2022.
    https://arxiv.org/abs/2106.12506

    Q. Liu, D. Wang, "Stein Variational Gradient Descent", NeurIPS 2016.
    https://arxiv.org/abs/1608.04471
    """
    domain, k = mirror or Mirror(), kernel or InverseMultiquadric()
    _check(method, mirror, metric, k, optimiser)
    step = float(checks.positive("step", step))
    if not 0 < spectrum <= 1:
        raise ValueError(f"spectrum must be above 0 and at most 1, got {spectrum:g}")
    domain.check("start", start)
    mirrored = method in ("msvgd", "svmd")
    z = domain.to_dual(start) if mirrored else domain.coordinates(start)
    state: State = {"z": z, "squares": torch.zeros_like(z)}

    def points(state: State) -> Tensor:
        return domain.to_primal(state["z"]) if mirrored else domain.project(state["z"])

    def natural(iteration: int, X: Tensor, S: Tensor, state: State) -> tuple[Geometry, State]:
        assert metric is not None
        field, kept = metric.at(X), State()
        if metric.memory:
            if "metric" in state:
                before = Field(state["metric"], state["metric_gradient"])
                field = metric.mean(before, field, iteration)
            kept = {"metric": field.G, "metric_gradient": field.gradient}
        inverse = metric.inverse(field)
        drift = act(inverse, S) + metric.divergence(field, inverse)
        return Geometry(inverse, drift, metric.damped(field)), kept

    def move(iteration: int, state: State) -> State:
        if before_step is not None:
            before_step(iteration)
        X, kept = points(state), State()
        S = scores(score_function, X)
        theta = domain.coordinates(X)
        if method == "svgd":
            one = torch.ones_like(theta)
            H = Geometry(one, domain.score(S), one)
        elif method == "svng":
            H, kept = natural(iteration, X, S, state)
        else:
            drift = domain.natural_score(X, S) + domain.divergence(X)
            H = Geometry(domain.inverse_hessian(X), drift, domain.hessian(X))
        h = median_distance(theta) if median else theta.new_ones(())
        # The kernel reads theta / h, so that its gradient in theta is 1 / h times its own.
        g = stein_direction(k, theta / h, H.drift, H.inverse / h)
        if method in ("svmd", "svng"):
            g = conjugated(k, theta / h, g, H.matrix, spectrum)
        g, squares = scaled(optimiser, act(H.inverse, g) if metric else g, state["squares"])
        z = state["z"] + step * g
        if not mirrored:
            z = domain.coordinates(domain.project(z))
        return {"z": z, "squares": squares, **kept}

    end = evolve(
        move,
        state,
        iterations,
        on_step=None if on_step is None else lambda i, state: on_step(i, points(state)),
        verbose=verbose,
        title=f"stein variational, {method}",
        checkpoint=checkpoint,
        parameters=(method, step, domain, metric, k, median, spectrum, optimiser),
    )
    return points(end)


def _check(
    method: str, mirror: Mirror | None, metric: Metric | None, kernel: Kernel, optimiser: str
) -> None:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if optimiser not in OPTIMISERS:
        raise ValueError(f"optimiser must be one of {', '.join(OPTIMISERS)}, got {optimiser!r}")
    if (method == "svng") != (metric is not None):
        raise ValueError(f"metric must be given with svng and nothing else, method is {method!r}")
    if method == "svng" and mirror is not None:
        raise ValueError("mirror must be left out with svng, whose domain is all of space")
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel must be a Kernel, got {type(kernel).__name__}")
    if not kernel.smoothness > 2:
        raise ValueError(f"kernel must be differentiable at zero distance, got {kernel!r}")
