"""The N-particle Langevin algorithms, under- and overdamped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.measure.langevin.integrators import normal, overdamped, underdamped
from mercer.measure.particles.answer import check_answer
from mercer.measure.particles.evolve import State, evolve

Functional = Callable[[Tensor], Tensor]
DIFFERENTIABLE = "give a differentiable tensor of the particles"


class Minimised(NamedTuple):
    """The particles at the end, and the functional's value after each step."""

    particles: Tensor  # [N, d]
    values: Tensor  # [iterations]


def minimise_measure(
    functional: Functional,
    start: Tensor,
    iterations: int,
    *,
    step: float,
    friction: float | None,
    temperature: float,
    generator: torch.Generator | None = None,
    verbose: bool = False,
    checkpoint: str | Path | None = None,
) -> Minimised:
    r"""Minimise :math:`F(\mu) + \lambda \int \mu \log \mu` over measures, by N particles.

    With friction, positions and velocities follow

    .. math:: dx_i = v_i\,dt, \quad dv_i = -\gamma v_i\,dt - D F(\mu_N, x_i)\,dt
       + \sqrt{2 \gamma \lambda}\,dB_i

    in steps that are exact while :math:`DF`, the gradient of the first variation, stands still.
    Without it, :math:`dx_i = -DF(\mu_N, x_i)\,dt + \sqrt{2\lambda}\,dB_i`.

    Parameters
    ----------
    functional : callable
        :math:`F` of the measure that has mass ``1/N`` at each row: ``[N, d] -> []``,
        differentiable. :class:`NetworkRisk`, or a discrepancy of :mod:`mercer.measure` to a target.
    start : Tensor, shape (N, d)
        Positions; velocities start normal, of variance :math:`\lambda`.
    iterations : int
        How many steps.
    step : float, positive
        Of time.
    friction : float, positive, or None
        :math:`\gamma`; ``None`` for overdamped dynamics.
    temperature : float, at least 0
        :math:`\lambda`; zero for descent without noise.
    generator : torch.Generator, optional
        On the CPU.
    verbose, checkpoint :
        As in :func:`mercer.measure.particles.evolve`.

    Returns
    -------
    Minimised

    Raises
    ------
    TypeError, ValueError
        If an argument is not as said, or the functional or its gradient is NaN.

    Examples
    --------
    >>> found = minimise_measure(
    ...     lambda x: (x**2).mean(), torch.ones(50, 1), 200, step=0.1, friction=1.0, temperature=0.0
    ... )
    >>> bool(found.values[-1] < 1e-3 * found.values[0])
    True

    References
    ----------
    Q. Fu, A. Wilson, "Mean-field Underdamped Langevin Dynamics and its Spacetime Discretization",
    ICML 2024. https://arxiv.org/abs/2312.16360
    """
    checks.finite("start", checks.floating("start", start))
    if start.ndim != 2 or len(start) == 0:
        raise ValueError(f"start must have shape (N, d), got {tuple(start.shape)}")
    checks.positive("step", step)
    if friction is not None:
        checks.positive("friction", friction)
    if not temperature >= 0:
        raise ValueError(f"temperature must be at least 0, got {temperature:g}")

    def move(k: int, state: State) -> State:
        x, v = state["x"], state["v"]
        value, gradient = _first_variation(functional, x, k)
        values = state["values"].clone()
        values[k] = value
        if friction is None:
            x = overdamped(x, -gradient, step, temperature=temperature, generator=generator)
            return {"x": x, "v": v, "values": values}
        x, v = underdamped(
            x,
            v,
            -gradient,
            step,
            friction=friction,
            temperature=temperature,
            generator=generator,
        )
        return {"x": x, "v": v, "values": values}

    state = {
        "x": start.detach(),
        "v": temperature**0.5 * normal(start, generator),
        "values": torch.zeros(iterations, dtype=start.dtype),
    }
    end = evolve(
        move,
        state,
        iterations,
        generator=generator,
        on_step=lambda k, state: {"functional": float(state["values"][k - 1])},
        verbose=verbose,
        title="particles of a functional",
        checkpoint=checkpoint,
        parameters=(step, friction, temperature),
    )
    return Minimised(end["x"], end["values"])


def _first_variation(functional: Functional, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """``F`` and ``D F(mu, x_i)``: N times the derivative in the position of one particle."""
    traced = x.detach().requires_grad_()
    value = functional(traced)
    if not isinstance(value, Tensor):
        raise TypeError(f"functional must {DIFFERENTIABLE}, got {type(value).__name__}")
    if value.shape != ():
        raise ValueError(f"functional must give one number, got shape {tuple(value.shape)}")
    gradient = None
    if value.requires_grad:
        (gradient,) = torch.autograd.grad(value, traced, allow_unused=True)
    if gradient is None:
        raise ValueError(f"functional must {DIFFERENTIABLE}, got one that does not depend on them")
    check_answer("functional", value, x, k)
    check_answer("the gradient of functional", gradient, x, k)
    return value.detach(), len(x) * gradient
