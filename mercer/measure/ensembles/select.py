"""Greedy selection of the members of an ensemble."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from mercer.measure.ensembles.mixture import MixtureObjective


class Ensemble(NamedTuple):
    """Selected members.

    Parameters
    ----------
    members : list of int
        In the order in which they came.
    gains : list of float
        What each adds to F without its term in c, which would add the same to all; the first is
        infinite where the divergence of an empty mixture is.
    divergence : float
        :math:`D_f(p, q_S)`.
    evaluations : int
        Mixtures whose value was computed.
    """

    members: list[int]
    gains: list[float]
    divergence: float
    evaluations: int


def select_members(objective: MixtureObjective, *, method: str = "lazy") -> Ensemble:
    r"""Select an ensemble from a pool, the member of the largest marginal gain at a time.

    Parameters
    ----------
    objective : MixtureObjective
        Posterior, pool, kernel, divergence and number of members.
    method : {"lazy", "greedy", "exhaustive"}
        ``greedy`` computes all gains at each step. ``lazy`` computes them only as far as earlier
        gains, which bound them from above because gains shrink, leave a doubt: the same members,
        sooner. ``exhaustive`` tries all ensembles, of which there must be few.

    Returns
    -------
    Ensemble
        Distinct members. Greedy ones reach :math:`1 - 1/e` of what the best ensemble gains, see
        :class:`MixtureObjective`.

    Raises
    ------
    ValueError
        If the pool is smaller than the ensemble, or every choice has infinite divergence.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> z = torch.linspace(-4, 4, 9)[:, None]
    >>> modes = torch.logaddexp(-((z - 2) ** 2), -((z + 2) ** 2))[:, 0]
    >>> F = MixtureObjective(z, RBF(), 2, log_density=modes, divergence="reverse-kl")
    >>> sorted(select_members(F).members)
    [2, 6]

    References
    ----------
    A. Tiulpin, M. B. Blaschko, "Greedy Bayesian Posterior Approximation with Deep Ensembles",
    TMLR 2022. https://arxiv.org/abs/2105.14275

    M. Minoux, "Accelerated greedy algorithms for maximizing submodular set functions", 1978.
    https://doi.org/10.1007/BFb0006528
    """
    methods = {"lazy": _lazy, "greedy": _greedy, "exhaustive": _exhaustive}
    if method not in methods:
        raise ValueError(f"method must be one of {', '.join(methods)}, got {method!r}")
    if objective.size > len(objective.members):
        raise ValueError(
            f"an ensemble of {objective.size} members cannot be selected from a pool of "
            f"{len(objective.members)}"
        )
    return methods[method](objective)


def _greedy(F: MixtureObjective) -> Ensemble:
    q, path, evaluations = F.mixture([]), _Path(F), 0
    while len(path.chosen) < F.size:
        values = _values(F, q)
        free = [s for s in range(len(values)) if s not in path.chosen]
        evaluations += len(free)
        best = max(free, key=lambda s: path.gain(values[s]))
        path.take(best, values[best])
        q = q + F.components([best])[0]
    return path.ensemble(evaluations)


def _lazy(F: MixtureObjective) -> Ensemble:
    q, path = F.mixture([]), _Path(F)
    first = _values(F, q)
    evaluations = len(first)
    # Bounds of gains, members, and the size of the ensemble for which they are exact.
    heap = [(-path.gain(value), s, 0, value) for s, value in enumerate(first)]
    heapq.heapify(heap)
    while True:
        _, s, known, value = heapq.heappop(heap)
        if known < len(path.chosen):
            value = float(F.value_of(q + F.components([s])[0]))
            evaluations += 1
            heapq.heappush(heap, (-path.gain(value), s, len(path.chosen), value))
            continue
        bounded = math.isfinite(path.last)
        path.take(s, value)
        if len(path.chosen) == F.size:
            return path.ensemble(evaluations)
        q = q + F.components([s])[0]
        if not bounded:  # what raises an infinitely bad ensemble says nothing about later gains
            heap = [(-math.inf, s, 0, value) for _, s, _, value in heap]
            heapq.heapify(heap)


class _Path:
    """What greedy selection has taken, and how good that is."""

    def __init__(self, F: MixtureObjective) -> None:
        self.last = float(F.value_of(F.mixture([])))
        self.chosen: list[int] = []
        self.gains: list[float] = []

    def gain(self, value: float) -> float:
        """Of a step to ``value``; of the value itself where all gains are infinite."""
        return value - self.last if math.isfinite(self.last) else value

    def take(self, s: int, value: float) -> None:
        self.gains.append(_possible(value) - self.last)
        self.last = value
        self.chosen.append(s)

    def ensemble(self, evaluations: int) -> Ensemble:
        return Ensemble(self.chosen, self.gains, -self.last, evaluations)


def _exhaustive(F: MixtureObjective) -> Ensemble:
    parts = torch.cat([F.components(block) for block in F.blocks()])  # [m, n]
    floor, found = F.mixture([]), {}
    for members in itertools.combinations(range(len(parts)), F.size):
        found[members] = float(F.value_of(floor + parts[list(members)].sum(dim=0)))
    best = max(found, key=found.__getitem__)
    _possible(found[best])
    path = [float(F.value_of(F.mixture(best[:k]))) for k in range(F.size + 1)]
    gains = [later - value for value, later in itertools.pairwise(path)]
    return Ensemble(list(best), gains, -found[best], len(found))


def _values(F: MixtureObjective, q: Tensor) -> list[float]:
    """F of what is chosen and one more, for every member."""
    return [v for block in F.blocks() for v in F.value_of(q + F.components(block)).tolist()]


def _possible(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(
            "every choice has infinite divergence; give a background above zero, a wider kernel "
            "or weights above zero"
        )
    return value
