"""Parameters that move down a payoff while an adversary moves up."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mercer import checks
from mercer.learn.progress import Progress
from mercer.linalg import ConvergenceWarning
from mercer.measure.moments.optimistic_adam import OptimisticAdam


class Outcome(NamedTuple):
    """The parameters at the end, and the payoff; NaN if it came to infinite numbers."""

    theta: Tensor
    value: float


class Game:
    """Optimistic Adam on both sides.

    Parameters
    ----------
    steps : int
        How many.
    step, dual_step : float
        Learning rates of the parameters, and of their adversary.
    verbose : bool
        Whether to show progress on stderr.
    """

    def __init__(self, *, steps: int, step: float, dual_step: float, verbose: bool) -> None:
        self.steps = checks.count("steps", steps)
        self.step = float(checks.positive("step", step))
        self.dual_step = float(checks.positive("dual_step", dual_step))
        self.verbose = verbose

    def play(
        self,
        payoff: Callable[[Tensor], Tensor],
        start: Tensor,
        adversary: Sequence[Tensor],
        *,
        name: str,
        advice: str,
    ) -> Outcome:
        """Play to the end, or to the last step with finite slopes.

        Parameters
        ----------
        payoff : callable
            Of the parameters; it reads the adversary's tensors where they are.
        start : Tensor, shape (p,)
        adversary : sequence of Tensor
            Changed in place.
        name, advice : str
            Of the estimator, and what helps it, for the warning.

        Warns
        -----
        ConvergenceWarning
            If the numbers are no longer finite.
        """
        theta = start.clone().requires_grad_()
        down = OptimisticAdam([theta], self.step)
        up = OptimisticAdam(adversary, self.dual_step, ascend=True)
        value = math.nan
        with Progress(self.verbose, name) as progress:
            for k in range(1, self.steps + 1):
                found = payoff(theta)
                slopes = torch.autograd.grad(found, [theta, *adversary])
                if not all(bool(torch.isfinite(slope).all()) for slope in slopes):
                    warnings.warn(
                        f"{name} has infinite numbers after {k} of {self.steps} steps; take "
                        f"smaller steps or {advice}",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
                    return Outcome(theta.detach(), math.nan)
                down.step(slopes[:1])
                up.step(slopes[1:])
                value = float(found.detach())
                progress({"iteration": k, "of": self.steps, "payoff": value})
        return Outcome(theta.detach(), value)
