"""Posteriors of two models of biology, sampled by Metropolis chains side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

STEPS = 12  # of the Runge–Kutta method between two observations
BLOWN_UP = {"over": "ignore", "invalid": "ignore"}  # proposals may be far out


class System(NamedTuple):
    """A differential equation of two species, observed with noise at unit times."""

    name: str
    slope: Callable[[np.ndarray, np.ndarray], np.ndarray]  # parameters [4, C], u [2, C] -> [2, C]
    start: float  # of both species
    truth: np.ndarray  # [4], positive
    observations: int
    noise: np.ndarray  # [2], standard deviations

    def path(self, parameters: np.ndarray) -> np.ndarray:
        """Species at the observations, ``[C, 4] -> [C, T, 2]``, by the classical Runge–Kutta
        method."""
        p, h, found = parameters.T, 1 / STEPS, []
        u = np.full((2, len(parameters)), self.start)
        for _ in range(self.observations):
            for _ in range(STEPS):
                k1 = self.slope(p, u)
                k2 = self.slope(p, u + h / 2 * k1)
                k3 = self.slope(p, u + h / 2 * k2)
                k4 = self.slope(p, u + h * k3)
                u = u + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            found.append(u.T)
        return np.stack(found, 1)

    def log_posterior(self, data: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Of log-parameters ``[C, 4]`` with the prior N(0, I), up to a constant: ``[C]``."""

        def evaluate(x: np.ndarray) -> np.ndarray:
            with np.errstate(**BLOWN_UP):
                residual = (self.path(np.exp(x)) - data) / self.noise
                value = -(residual**2).sum((1, 2)) / 2 - (x**2).sum(1) / 2
            return np.where(np.isfinite(value), value, -np.inf)

        return evaluate

    def sample(self, chains: int, steps: int, seed: int) -> Tensor:
        """Log-parameters, one chain after the other, by preconditioned random-walk Metropolis.

        The first half of the steps is discarded; the covariance of its end is the preconditioner.

        Returns
        -------
        Tensor, shape (chains (steps - steps // 2), 4)
        """
        rng = np.random.default_rng(seed)
        data = self.path(self.truth[None])[0]
        log_density = self.log_posterior(data + self.noise * rng.standard_normal(data.shape))
        x = np.log(self.truth) + 0.05 * rng.standard_normal((chains, 4))
        value, factor, kept = log_density(x), 0.03 * np.eye(4), []
        for step in range(steps):
            if step in (steps // 4, steps // 2):
                factor = 2.38 / 2 * np.linalg.cholesky(np.cov(x.T) + 1e-12 * np.eye(4))
            proposal = x + rng.standard_normal((chains, 4)) @ factor.T
            proposed = log_density(proposal)
            accepted = np.log(rng.random(chains)) < proposed - value
            x = np.where(accepted[:, None], proposal, x)
            value = np.where(accepted, proposed, value)
            if step >= steps // 2:
                kept.append(x)
        return torch.from_numpy(np.stack(kept, 1).reshape(-1, 4))


def _lotka_volterra(p: np.ndarray, u: np.ndarray) -> np.ndarray:
    r"""Prey and predators, :math:`\dot u_1 = a u_1 - b u_1 u_2, \dot u_2 = d u_1 u_2 - c u_2`."""
    a, b, c, d = p
    meetings = u[0] * u[1]
    return np.stack([a * u[0] - b * meetings, d * meetings - c * u[1]])


def _goodwin(p: np.ndarray, u: np.ndarray) -> np.ndarray:
    r"""A protein represses the gene of the messenger that it is made from.

    .. math:: \dot u_1 = a_1 / (1 + a_2 u_2^{10}) - \alpha u_1, \qquad \dot u_2 = k u_1 - \alpha u_2
    """
    a1, a2, k, alpha = p
    square = u[1] * u[1]
    fourth = square * square
    return np.stack([a1 / (1 + a2 * fourth * fourth * square), k * u[0]]) - alpha * u


LOTKA_VOLTERRA = System(
    "Lotka–Volterra",
    _lotka_volterra,
    start=1.0,
    truth=np.array([0.67, 1.33, 1.0, 1.0]),
    observations=10,
    noise=np.array([0.2, 0.2]),
)
GOODWIN = System(
    "Goodwin",
    _goodwin,
    start=0.0,
    truth=np.array([1.0, 3.0, 2.0, 0.5]),
    observations=12,
    noise=np.array([0.1, 0.05]),
)
