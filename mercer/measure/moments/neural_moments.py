"""The kernel method of moments with a neural network of the instruments."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from mercer.measure.moments.game import Game
from mercer.measure.moments.kernel_moments import KMM
from mercer.measure.moments.problem import MomentProblem


class NeuralKMM(KMM):
    r"""The conditional kernel method of moments, :math:`\lambda(z)` being a neural network.

    Parameters, network and :math:`(f, \eta)` move together, by optimistic Adam: the first down, the
    others up the dual of :class:`KMM`, less :math:`\rho E_\omega[|\lambda(z)|^2]`.

    Parameters
    ----------
    problem : MomentProblem
        Moment function and start.
    network : nn.Module
        From instruments ``[N, e]`` to ``[N, q]``, in float64. It is trained in place, further by
        each fit.
    steps : int
        How many.
    step, dual_step : float
        Learning rates of the parameters, and of network and function.
    regularisation : float
        :math:`\rho`, at least 0.
    verbose : bool
        Whether to show progress on stderr.
    outer
        All other arguments of :class:`KMM` but ``instruments``.

    Warns
    -----
    ConvergenceWarning
        If the numbers are no longer finite: the estimate is then the last that was.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> z, e = torch.randn(2, 100, 1, dtype=torch.float64)
    >>> x = torch.cat([z + e, 2 * (z + e) + e], dim=1)
    >>> def residual(x, theta):
    ...     return x[:, 1:] - theta * x[:, :1]
    >>> problem = MomentProblem(residual, torch.ones(1).double())
    >>> network = nn.Sequential(nn.Linear(1, 8), nn.LeakyReLU(), nn.Linear(8, 1)).double()
    >>> theta = NeuralKMM(problem, network, steps=300, step=0.02, dual_step=0.04).fit(x, z)
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
        super().__init__(problem, regularisation=regularisation, **outer)
        self.network = network
        self.game = Game(steps=steps, step=step, dual_step=dual_step, verbose=verbose)

    def _estimate(self, x: Tensor, z: Tensor | None, start: Tensor) -> Tensor:
        if z is None:
            raise ValueError("z must be given: the restriction is conditional on it, got None")
        phi = self._discrepancy_coordinates(x, z)  # [N, r]
        points, z = self._reference(x, z)
        mean, epsilon = phi[: self._n].mean(dim=0), self.entropy
        f = torch.zeros_like(mean, requires_grad=True)
        eta = f.new_zeros(1, requires_grad=True)

        def entropic(theta: Tensor, h: Tensor) -> Tensor:
            restricted = (h * self.problem(points, theta)).sum(dim=1)  # [N]
            return (phi @ f + eta - restricted) / epsilon

        def payoff(theta: Tensor) -> Tensor:
            h = self.network(z)  # [N, q]
            u = entropic(theta, h)
            dual = mean @ f + eta.sum() - f @ f / 2 - epsilon * self.conjugate.value(u).mean()
            dual = dual - self.regularisation * h.square().sum(dim=1).mean()
            return dual + (self.penalty * theta**2).sum() / 2

        adversary = [f, eta, *self.network.parameters()]
        theta, self.value_ = self.game.play(
            payoff, start, adversary, name="NeuralKMM", advice="a larger entropy"
        )
        self.converged_ = math.isfinite(self.value_)
        if self.converged_:
            with torch.no_grad():
                u = entropic(theta, self.network(z))
            self.weights_ = self.conjugate.slope(u) / len(points)
        return theta
