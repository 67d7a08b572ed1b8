"""What a release costs: sensitivity, noise and the guarantee, written down."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer.measure.private.discrete_noise import (
    LARGEST,
    discrete_gaussian,
    discrete_laplace,
    laplace_variance,
)
from mercer.measure.private.random_integers import RandomIntegers
from mercer.measure.private.summary import Change, Summary

NEIGHBOURS = ("add-remove", "replace")
ORDERS = 1 + torch.logspace(-3, 6, 4000, dtype=torch.float64)  # of Rényi divergences


@dataclass(frozen=True)
class Privacy:
    r"""The accounting of one release of a vector of integers.

    Neighbouring data sets give vectors that differ by at most ``l1`` in the sum of absolute values
    and ``l2`` in the Euclidean norm.

    - ``delta = 0``: independent discrete Laplace noise of scale :math:`\lceil l_1 / \varepsilon
      \rceil`. For any output the ratio of probabilities is at most :math:`e^\varepsilon`.
    - ``delta > 0``: independent discrete Gaussian noise of deviation :math:`l_2 / \sqrt{2 \rho}`,
      which is :math:`\rho`-concentrated; :math:`\rho` is that of :func:`concentration`.
    - ``epsilon = inf``: no noise and no privacy.

    Floats enter before rounding to integers only, and never after noise was added, so that no last
    bits tell what it was added to. Two leaks remain: the time that the rejection sampler takes, and
    a cosine that a matrix product rounds otherwise next to other rows, which changes one integer in
    about :math:`10^{10}` by one.

    Parameters
    ----------
    epsilon, delta : float
        The guarantee; ``epsilon`` positive, ``delta`` in [0, 1).
    neighbours : {"add-remove", "replace"}
        What neighbouring data sets are.
    l1 : int
        Sensitivity in units of the released integers.
    l2 : float
        Likewise.
    sensitivity : Tensor, shape (m,)
        By how much each released integer may differ.

    Examples
    --------
    >>> from mercer.measure.private import HashSummary
    >>> counts = HashSummary(1.0, columns=3, repetitions=1, buckets=8)  # in units of 2^-20
    >>> Privacy.of(counts, 0.5, 0.0, "replace").scale / 2**20
    4.0

    References
    ----------
    C. Dwork et al., "Calibrating Noise to Sensitivity in Private Data Analysis".
    https://doi.org/10.1007/11681878_14
    M. Bun, T. Steinke, "Concentrated Differential Privacy". https://arxiv.org/abs/1605.02065
    C. Canonne, G. Kamath, T. Steinke, "The Discrete Gaussian for Differential Privacy".
    https://arxiv.org/abs/2004.00010
    """

    epsilon: float
    delta: float
    neighbours: str
    l1: int
    l2: float
    sensitivity: Tensor

    @classmethod
    def of(cls, summary: Summary, epsilon: float, delta: float, neighbours: str) -> Privacy:
        """The accounting of a summary's totals.

        Raises
        ------
        ValueError
            If an argument is outside its domain, or the noise would not fit 64-bit integers.
        """
        check_budget(epsilon, delta, neighbours)
        added = Change(summary.largest, summary.l1, summary.l2_squared)
        change = added if neighbours == "add-remove" else summary.swapped()
        l2 = math.sqrt(change.l2_squared) * (1 + 1e-15)
        privacy = cls(float(epsilon), float(delta), neighbours, change.l1, l2, change.each)
        if privacy.noise and privacy.scale > LARGEST:
            raise ValueError(f"epsilon is too small for the noise to fit in integers: {epsilon:g}")
        return privacy

    @property
    def noise(self) -> str:
        """The law of the noise; empty for none."""
        if math.isinf(self.epsilon):
            return ""
        return "discrete Gaussian" if self.delta else "discrete Laplace"

    @property
    def scale(self) -> float:
        """Of the discrete Laplace law, an integer, or the Gaussian's deviation; 0 for none."""
        if not self.noise:
            return 0
        if not self.delta:
            scale = self.l1 / self.epsilon
            return math.ceil(scale) if math.isfinite(scale) else math.inf
        rho = concentration(self.epsilon, self.delta)
        return self.l2 / math.sqrt(2 * rho) if rho > 0 else math.inf

    @property
    def variance(self) -> float:
        """Of the noise in each released integer."""
        if self.noise == "discrete Laplace":
            return laplace_variance(int(self.scale))
        return float(self.scale) ** 2  # an upper bound, from a deviation of 2 on exact to 1e-12

    def draw(self, count: int, source: RandomIntegers) -> Tensor:
        """Noise for ``count`` integers."""
        if self.noise == "discrete Laplace":
            return discrete_laplace(int(self.scale), count, source)
        if self.noise:
            return discrete_gaussian(self.scale, count, source)
        return self.sensitivity.new_zeros(count)

    def __str__(self) -> str:
        if not self.noise:
            return "no privacy: released without noise"
        return (
            f"({self.epsilon:g}, {self.delta:g})-differentially private for data sets that differ "
            f"by one row ({self.neighbours}): {len(self.sensitivity)} integers of sensitivity "
            f"{self.l1} (L1), {self.l2:g} (L2), {self.noise} noise of scale {self.scale:g}"
        )


def concentration(epsilon: float, delta: float) -> float:
    r"""A :math:`\rho` such that :math:`\rho`-concentrated is (epsilon, delta)-private.

    .. math::

        \delta = \frac{e^{(\alpha - 1)(\alpha \rho - \varepsilon)}}{\alpha - 1}
        \Big(1 - \frac{1}{\alpha}\Big)^\alpha

    holds for every order :math:`\alpha > 1` (Canonne, Kamath and Steinke, corollary 13), so the
    largest :math:`\rho` of any is right.
    """
    a = ORDERS
    rest = (math.log(delta) + (a - 1).log() - a * torch.log1p(-1 / a)) / (a - 1)
    return float(((epsilon + rest) / a).max())


def check_budget(epsilon: float, delta: float, neighbours: str) -> None:
    """Refuse what is no privacy parameter."""
    if not epsilon > 0:
        raise ValueError(
            f"epsilon must be positive (math.inf releases without noise), got {epsilon:g}"
        )
    if not 0 <= delta < 1:
        raise ValueError(f"delta must be at least 0 and below 1, got {delta:g}")
    if neighbours not in NEIGHBOURS:
        raise ValueError(f"neighbours must be add-remove or replace, got {neighbours!r}")
