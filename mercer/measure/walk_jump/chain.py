"""The chain of log-concave Markov chains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mercer import checks
from mercer.measure.langevin.integrators import normal, overdamped, underdamped
from mercer.measure.particles.answer import check_answer
from mercer.measure.particles.evolve import State, evolve

Smoothed = Callable[[Tensor, float], Tensor]


@torch.no_grad()
def log_concave_chain(
    smoothed_score: Smoothed,
    start: Tensor,
    *,
    noise: float,
    measurements: int,
    steps: int,
    step: float,
    friction: float | None = None,
    generator: torch.Generator | None = None,
    verbose: bool = False,
    checkpoint: str | Path | None = None,
) -> Tensor:
    r"""Sample a density through noisy measurements of its draws, all of the same noise.

    Draw :math:`y_1, \ldots, y_m`, each :math:`x + \sigma N(0, I)` of one unseen ``x``, one after
    the other given those before, by Langevin dynamics; then return what is expected of ``x``. Only
    the mean :math:`\bar y` of the measurements counts:

    .. math:: \nabla_{y_m} \log p(y_m | y_{1:m-1}) = \frac{\bar y - y_m}{\sigma^2}
       + \frac1m \nabla \log p_{\sigma/\sqrt m}(\bar y), \quad
       E[x | y_{1:m}] = \bar y + \frac{\sigma^2}{m} \nabla \log p_{\sigma/\sqrt m}(\bar y)

    where :math:`p_\tau` is the target plus normal noise. With a large :math:`\sigma` every one of
    these laws is log-concave, whatever the target: a law on a ball of radius ``R`` plus normal
    noise of variance :math:`\tau^2` needs :math:`\sigma^2 \ge R^2 - \tau^2`.

    Parameters
    ----------
    smoothed_score : callable
        :math:`(y, \tau) \mapsto \nabla \log p_\tau(y)` for points ``[n, d]``:
        :class:`SmoothedScore`, or a closed form.
    start : Tensor, shape (n, d)
        Where the first measurement of each chain starts.
    noise : float, positive
        :math:`\sigma`, in the units of the points.
    measurements : int
        ``m``: what is returned is off by about :math:`\sigma / \sqrt m`.
    steps : int
        Of Langevin dynamics a measurement.
    step : float, positive
        Of time, in units of :math:`\sigma^2`, or of :math:`\sigma` with friction.
    friction : float, positive, optional
        In units of :math:`1 / \sigma`; without it the dynamics are overdamped.
    generator : torch.Generator, optional
        On the CPU.
    verbose, checkpoint :
        As in :func:`mercer.measure.particles.evolve`.

    Returns
    -------
    Tensor, shape (n, d)
        One sample a chain.

    Examples
    --------
    >>> from mercer.measure.targets import GaussianMixture
    >>> two = GaussianMixture(torch.tensor([[-4.0], [4.0]]), torch.tensor(0.25))
    >>> x = log_concave_chain(
    ...     lambda y, noise: two.smoothed(noise).score(y),
    ...     torch.zeros(500, 1),
    ...     noise=4.0,
    ...     measurements=100,
    ...     steps=10,
    ...     step=0.2,
    ...     generator=torch.Generator().manual_seed(0),
    ... )
    >>> bool(((x > 0).float().mean() - 0.5).abs() < 0.1), bool((x.abs() - 4).abs().median() < 0.5)
    (True, True)

    References
    ----------
    S. Saremi, J. W. Park, F. Bach, "Chain of Log-Concave Markov Chains", ICLR 2024.
    https://arxiv.org/abs/2305.19473
    """
    checks.finite("start", checks.floating("start", start))
    sigma, h = float(checks.positive("noise", noise)), float(checks.positive("step", step))
    checks.count("measurements", measurements)
    checks.count("steps", steps)
    if friction is not None:
        checks.positive("friction", friction)

    def expected(mean: Tensor, m: int, k: int) -> Tensor:
        score = smoothed_score(mean, sigma / m**0.5)
        check_answer("smoothed_score", score, mean, k)
        return mean + sigma**2 / m * score

    def move(k: int, state: State) -> State:
        m = k // steps + 1  # which measurement is drawn
        total, y, v = state["total"], state["y"], state["v"]  # total: of those before
        if k % steps == 0 and m > 1:
            total = total + y
            mean = total / (m - 1)
            y = expected(mean, m - 1, k) + sigma * normal(y, generator)  # nearly the law itself
            v = normal(v, generator)
        mean = (total + y) / m
        drift = (expected(mean, m, k) - y) / sigma**2
        if friction is None:
            return {
                "total": total,
                "y": overdamped(y, drift, h * sigma**2, generator=generator),
                "v": v,
            }
        y, v = underdamped(y, v, drift, h * sigma, friction=friction / sigma, generator=generator)
        return {"total": total, "y": y, "v": v}

    end = evolve(
        move,
        {"total": torch.zeros_like(start), "y": start, "v": normal(start, generator)},
        measurements * steps,
        generator=generator,
        verbose=verbose,
        title="chain of measurements",
        checkpoint=checkpoint,
        parameters=(sigma, measurements, steps, h, friction),
    )
    return expected(
        (end["total"] + end["y"]) / measurements, measurements, measurements * steps - 1
    )
