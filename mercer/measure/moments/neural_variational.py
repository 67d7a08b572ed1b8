"""The variational method of moments with a neural network of the instruments."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from mercer import checks
from mercer.measure.moments.estimator import MomentEstimator
from mercer.measure.moments.game import Game
from mercer.measure.moments.problem import MomentProblem


class NeuralVMM(MomentEstimator):
    r"""The variational method of moments, :math:`h(z)` being a neural network.

    .. math::

        \min_\theta \sup_h \; \tfrac1n \sum_i h(z_i) \cdot \psi(x_i; \theta)
        - \tfrac1{4n} \sum_i (h(z_i) \cdot \psi(x_i; \tilde\theta))^2
        - \tfrac\lambda n \sum_i |h(z_i)|^2

    with :math:`\tilde\theta` the present :math:`\theta`, through which no slope goes. Parameters
    and network move together, by optimistic Adam.

    Parameters
    ----------
    problem : MomentProblem
        Moment function and start.
    network : nn.Module
        From instruments ``[n, e]`` to ``[n, q]``, in float64. It is trained in place, further by
        each fit.
    steps : int
        How many.
    step, dual_step : float
        Learning rates of the parameters, and of the network.
    regularisation : float
        :math:`\lambda`, at least 0.
    verbose : bool
        Whether to show progress on stderr.
    outer
        ``penalty`` as in :class:`~mercer.measure.moments.estimator.MomentEstimator`.

    Warns
    -----
    ConvergenceWarning
        If the numbers are no longer finite: the estimate is then the last that was.

    References
    ----------
    A. Bennett, N. Kallus, "The Variational Method of Moments". https://arxiv.org/abs/2012.09422

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> z, e = torch.randn(2, 100, 1, dtype=torch.float64)
    >>> x = torch.cat([z + e, 2 * (z + e) + e], dim=1)
    >>> def residual(x, theta):
    ...     return x[:, 1:] - theta * x[:, :1]
    >>> problem = MomentProblem(residual, torch.ones(1).double())
    >>> network = nn.Sequential(nn.Linear(1, 8), nn.LeakyReLU(), nn.Linear(8, 1)).double()
    >>> theta = NeuralVMM(problem, network, steps=300, step=0.02, dual_step=0.04).fit(x, z)
    >>> abs(float(theta) - 2) < 0.3
    True
    """

    def __init__(
        self,
        problem: MomentProblem,
        network: nn.Module,
        *,
        steps: int = 5000,
        step: float = 5e-4,
        dual_step: float = 2.5e-3,
        regularisation: float = 1e-2,
        verbose: bool = False,
        **outer: Any,
    ) -> None:
        super().__init__(problem, **outer)
        self.network = network
        self.regularisation = checks.interval("regularisation", regularisation, 0.0, 1e300)
        self.game = Game(steps=steps, step=step, dual_step=dual_step, verbose=verbose)

    def _estimate(self, x: Tensor, z: Tensor | None, start: Tensor) -> Tensor:
        if z is None:
            raise ValueError("z must be given: the restriction is conditional on it, got None")
        adversary = list(self.network.parameters())
        theta, self.value_ = self.game.play(
            lambda theta: self._payoff(x, z, theta),
            start,
            adversary,
            name="NeuralVMM",
            advice="a larger regularisation",
        )
        self.converged_ = math.isfinite(self.value_)
        return theta

    def _payoff(self, x: Tensor, z: Tensor, theta: Tensor) -> Tensor:
        h, psi = self.network(z), self.problem(x, theta)  # [n, q]
        second = (h * psi.detach()).sum(dim=1).square().mean()
        value = (h * psi).sum(dim=1).mean() - second / 4
        value = value - self.regularisation * h.square().sum(dim=1).mean()
        return value + (self.penalty * theta**2).sum() / 2
