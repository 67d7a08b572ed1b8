"""Distributions to be thinned: Gaussian mixtures, and chains on posteriors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mercer.kernels import RBF, median_distance
from mercer.papers.measure._ode_posteriors import System


class Mixture(NamedTuple):
    """An equal mixture of unit Gaussians, and a Gaussian kernel."""

    name: str
    means: Tensor  # [M, d], float64
    kernel: RBF

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Independent points, ``[n, d]``."""
        of = torch.randint(len(self.means), (n,), generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, dtype=torch.float64)
        return self.means[of] + noise

    def discrepancy(self, X: Tensor) -> float:
        """The maximum mean discrepancy of points to the distribution, in closed form."""
        own = (self.kernel(X) @ X.new_full((len(X),), 1 / len(X))).mean()
        square = own - 2 * self._smoothed(X, 1) + self._smoothed(self.means, 2)
        return max(square.item(), 0.0) ** 0.5

    def _smoothed(self, X: Tensor, variance: int) -> Tensor:
        """The mean over X and the means of the kernel convolved with ``N(0, variance I)``."""
        square, d = self.kernel.lengthscale.item() ** 2, X.shape[1]
        wide = RBF((square + variance) ** 0.5)
        return (square / (square + variance)) ** (d / 2) * wide(X, self.means).dense().mean()


class Chain(NamedTuple):
    """A Markov chain in two parts: one to be thinned, one to stand for the distribution."""

    name: str
    points: Tensor  # [n, d]
    reference: Tensor  # [m, d]
    kernel: RBF
    own: float  # the mean of the kernel over pairs of the reference

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """``n`` points of the chain at equal steps, from a random start."""
        step = len(self.points) // n
        start = int(torch.randint(step, (), generator=generator))
        return self.points[start::step][:n]

    def discrepancy(self, X: Tensor) -> float:
        """The maximum mean discrepancy to the other part."""
        square = self.own + _mean(self.kernel, X, X) - 2 * _mean(self.kernel, X, self.reference)
        return max(square, 0.0) ** 0.5


def _mean(kernel: RBF, X: Tensor, Y: Tensor) -> float:
    """The mean of the kernel over pairs."""
    return (kernel(X, Y) @ Y.new_full((len(Y),), 1 / len(Y))).mean().item()


def gaussian(d: int) -> Mixture:
    """A standard Gaussian; the lengthscale is the root mean square distance of two points."""
    return Mixture(
        f"Gaussian, d = {d}", torch.zeros(1, d, dtype=torch.float64), RBF((2 * d) ** 0.5)
    )


def mixture() -> Mixture:
    """Eight Gaussians on a square of side six and on a larger cross."""
    square = [(a, b) for a in (-3.0, 3.0) for b in (-3.0, 3.0)]
    cross = [(0.0, 6.0), (-6.0, 0.0), (6.0, 0.0), (0.0, -6.0)]
    return Mixture(
        "8 Gaussians, d = 2", torch.tensor(square + cross, dtype=torch.float64), RBF(2.0)
    )


def posterior(system: System, chains: int, steps: int, seed: int) -> Chain:
    """The standardised posterior of a differential equation, a kernel at the median distance."""
    X = system.sample(chains, steps, seed)
    X = (X - X.mean(0)) / X.std(0)
    kernel, reference = RBF(median_distance(X)), X[1::2]
    return Chain(system.name, X[::2], reference, kernel, _mean(kernel, reference, reference))
