"""Mixtures of kernels on a finite set of functions, and how near they are to a posterior."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.measure.ensembles.divergence import Divergence, divergence_of, weighted_sum


class MixtureObjective:
    r"""The set function of ensembles of at most M members that greedy selection raises.

    With components :math:`\bar k_s(z_i) = k(z_i, z_s) / \sum_j k(z_j, z_s)` and a share
    :math:`\beta` of the uniform law,

    .. math:: q_S = \frac{\beta}{n} + \frac{1 - \beta}{M} \sum_{s \in S} \bar k_s, \qquad
        F(S) = -\sum_i p_i f(q_S(z_i) / p_i) + c \Big(\sum_i q_S(z_i) - 1\Big).

    :math:`q_S` adds up over S and f is convex, so that F is submodular for every f. Adding
    :math:`c\,(t - 1)` to f does not change divergences between laws: ensembles of M members have
    :math:`F(S) = -D_f(p, q_S)` whatever c. With c the largest slope of f that occurs, F is
    monotone too, and greedy selection reaches :math:`1 - 1/e` of the way from
    :math:`F(\emptyset)` to the largest F.

    Parameters
    ----------
    points : Tensor, shape (n, D)
        Functions :math:`z_i` on which the posterior is known, see :func:`function_points`.
    kernel : Kernel
        Not negative.
    size : int
        M.
    weights : Tensor, shape (n,)
        The posterior at the points, not negative, up to a factor. Either these or ``log_density``.
    log_density : Tensor, shape (n,)
        Its logarithm, up to a summand.
    members : Tensor, shape (m, D), optional
        What ensembles are made of; by default the points.
    divergence : Divergence or str
        f, see :func:`f_divergence`.
    background : float
        :math:`\beta`, in [0, 1). Above zero keeps Kullback–Leibler divergences finite where no
        member is near.

    Attributes
    ----------
    p : Tensor, shape (n,)
        The posterior, adding up to one.
    slope : float
        c: the limit of :math:`f'`, or where that is infinite its value at the largest
        :math:`q_S / p` of 2 M members, which is as far as the guarantee looks. Infinite if p is
        zero somewhere then: selection does not need it.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as said.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> z = torch.linspace(-4, 4, 9)[:, None].double()
    >>> modes = torch.logaddexp(-((z - 2) ** 2), -((z + 2) ** 2))[:, 0]
    >>> F = MixtureObjective(z, RBF(), 2, log_density=modes)
    >>> F.divergence([2, 6]) < F.divergence([4, 5]), F.value([2, 6]) == -F.divergence([2, 6])
    (True, True)

    References
    ----------
    A. Tiulpin, M. B. Blaschko, "Greedy Bayesian Posterior Approximation with Deep Ensembles",
    TMLR 2022. https://arxiv.org/abs/2105.14275

    G. L. Nemhauser, L. A. Wolsey, M. L. Fisher, "An analysis of approximations for maximizing
    submodular set functions", 1978. https://doi.org/10.1007/BF01588971
    """

    def __init__(
        self,
        points: Tensor,
        kernel: Kernel,
        size: int,
        *,
        weights: Tensor | None = None,
        log_density: Tensor | None = None,
        members: Tensor | None = None,
        divergence: str | Divergence = "kl",
        background: float = 0.0,
    ) -> None:
        self.points, self.kernel = points, kernel
        self.members = points if members is None else members
        self.size, self.f = checks.count("size", size), divergence_of(divergence)
        self.background = checks.interval("background", background, 0.0, 1 - 1e-6)
        self.p = _posterior(len(points), weights, log_density).to(points)
        ones = points.new_ones((len(points), 1))
        self._masses = (kernel(self.members, points) @ ones)[:, 0]  # [m]
        if bool((self._masses <= 0).any()):
            s = int((self._masses <= 0).nonzero()[0, 0])
            raise ValueError(
                f"member {s} has no mass on the points, {float(self._masses[s]):g}; widen the "
                "kernel or add points near it"
            )
        self.slope = self._largest_slope()

    def components(self, members: Tensor | Sequence[int]) -> Tensor:
        r"""What members add to the mixture, :math:`(1 - \beta) \bar k_s(z_i) / M`, ``[b, n]``."""
        index = torch.as_tensor(members, dtype=torch.long, device=self.points.device)
        rows = self.kernel(self.members[index], self.points).dense()  # [b, n]
        if bool((rows < 0).any()):
            raise ValueError(f"kernel must not be negative, got {float(rows.min()):g}")
        return rows * ((1 - self.background) / self.size / self._masses[index])[:, None]

    def mixture(self, members: Sequence[int]) -> Tensor:
        """:math:`q_S` of a list of members, ``[n]``; one named twice counts twice."""
        floor = torch.full_like(self.p, self.background / len(self.p))
        return floor + self.components(members).sum(dim=0) if len(members) else floor

    def value_of(self, mixture: Tensor) -> Tensor:
        """F without its term in c, of mixtures ``[*batch, n]``; selection needs no more."""
        return -weighted_sum(self.p, mixture, self.f)

    def value(self, members: Sequence[int]) -> float:
        """F of a set of members."""
        missing = (1 - self.background) * (1 - len(members) / self.size)
        linear = self.slope * missing if missing else 0.0
        return float(self.value_of(self.mixture(members))) - linear

    def divergence(self, members: Sequence[int]) -> float:
        """:math:`D_f(p, q_S)` of M members.

        Raises
        ------
        ValueError
            If there are not M members: the mixture is no law then.
        """
        if len(members) != self.size:
            raise ValueError(f"members must be {self.size}, got {len(members)}")
        return -float(self.value_of(self.mixture(members)))

    def blocks(self) -> tuple[Tensor, ...]:
        """The numbers of all members, in blocks whose components fit some megabytes."""
        rows = max(1, 2**20 // len(self.points))
        return torch.arange(len(self.members), device=self.points.device).split(rows)

    def _largest_slope(self) -> float:
        if not math.isinf(self.f.recession):
            return self.f.recession
        if bool((self.p == 0).any()):
            return math.inf
        highest = torch.stack([self.components(b).amax(dim=0) for b in self.blocks()]).amax(dim=0)
        most = self.background / len(self.p) + 2 * self.size * highest
        return float(self.f.slope((most / self.p).max()))


def _posterior(n: int, weights: Tensor | None, log_density: Tensor | None) -> Tensor:
    """Weights that add up to one, in float64."""
    if (weights is None) == (log_density is None):
        raise ValueError("give either weights or log_density, got both or neither")
    if log_density is not None:
        logs = checks.finite("log_density", checks.floating("log_density", log_density))
        given, p = "log_density", logs.double().softmax(dim=-1)
    else:
        assert weights is not None
        p = checks.finite("weights", checks.floating("weights", weights)).double()
        if bool((p < 0).any()) or not bool((p > 0).any()):
            raise ValueError(
                f"weights must not be negative and not all zero, got {float(p.min()):g} the least"
            )
        given, p = "weights", p / p.sum()
    if p.shape != (n,):
        raise ValueError(f"{given} must have shape ({n},), got {tuple(p.shape)}")
    return p
