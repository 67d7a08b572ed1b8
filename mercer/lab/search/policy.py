"""Which candidates become the parents of the next one."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mercer.lab.search.entry import Entry


@dataclass(frozen=True)
class Selection:
    """The parents of the next candidate, best first, and the island that it will live on."""

    parents: tuple[Entry, ...]
    island: int = 0


class Policy(Protocol):
    """A rule that selects parents."""

    def select(self, graph: Sequence[Entry], generator: random.Random) -> Selection:
        """Return the parents of the next candidate; none while nothing is worth varying.

        Parameters
        ----------
        graph : sequence of Entry
            All candidates of the run so far.
        generator : random.Random
        """
        ...


def ranked(entries: Sequence[Entry]) -> list[Entry]:
    """Return the right and timed candidates, fastest first, the older first among equals."""
    timed = [e for e in entries if e.fitness is not None]
    return sorted(timed, key=lambda e: (-(e.fitness or 0.0), e.number))


@dataclass(frozen=True)
class Greedy:
    """The fastest candidates so far.

    Parameters
    ----------
    parents : int
        How many.
    """

    parents: int = 1

    def select(self, graph: Sequence[Entry], generator: random.Random) -> Selection:
        """Return the fastest."""
        return Selection(tuple(ranked(graph)[: self.parents]))


@dataclass(frozen=True)
class Tree:
    """Upper confidence bounds on the tree that first parents make.

    From the root down, the search goes to the child whose subtree's best speedup, on the scale of
    all speedups so far, plus an allowance for being little visited is largest; it stops at a
    candidate that has fewer than visits**widening children, and varies that one.

    Parameters
    ----------
    exploration : float
        Factor of the allowance sqrt(log(visits of parent) / visits of child).
    widening : float
        In (0, 1).

    References
    ----------
    Kocsis and Szepesvári: Bandit Based Monte-Carlo Planning.
    https://doi.org/10.1007/11871842_29
    """

    exploration: float = 0.5
    widening: float = 0.5

    def select(self, graph: Sequence[Entry], generator: random.Random) -> Selection:
        """Return the candidate at which the descent stops."""
        timed = {e.digest: e for e in graph if e.fitness is not None}
        if not timed:
            return Selection(())
        children: dict[str, list[Entry]] = {digest: [] for digest in timed}
        roots = []
        for entry in graph:
            above = entry.parents[0] if entry.parents else ""
            if above in timed:
                children[above].append(entry)
            elif entry.digest in timed:
                roots.append(entry)
        values = [e.fitness or 0.0 for e in timed.values()]
        low, width = min(values), max(max(values) - min(values), 1e-12)
        visits: dict[str, int] = {}
        best: dict[str, float] = {}
        for entry in reversed(graph):  # a child comes after its parent
            below = children.get(entry.digest, [])
            visits[entry.digest] = 1 + sum(visits[c.digest] for c in below)
            own = (timed[entry.digest].fitness or 0.0) if entry.digest in timed else low
            best[entry.digest] = max([own, *(best[c.digest] for c in below)])

        def bound(entry: Entry, total: int) -> tuple[float, int]:
            n = visits[entry.digest]
            allowance = self.exploration * math.sqrt(math.log(total) / n)
            return (best[entry.digest] - low) / width + allowance, -entry.number

        among, total = roots, 1 + sum(visits[r.digest] for r in roots)
        while True:
            here = max(among, key=lambda e: bound(e, total))
            total = visits[here.digest]
            below = [c for c in children[here.digest] if c.digest in timed]
            if not below or len(children[here.digest]) < total**self.widening:
                return Selection((here,))
            among = below


@dataclass(frozen=True)
class Islands:
    """Populations that evolve side by side and now and then receive a neighbour's best.

    Parameters
    ----------
    islands : int
    tournament : int
        A parent is the fastest of so many drawn from its island.
    migration : int
        After so many candidates of an island, its next one descends from the neighbour's best.
    """

    islands: int = 4
    tournament: int = 3
    migration: int = 6

    def __post_init__(self) -> None:
        for name in ("islands", "tournament", "migration"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def select(self, graph: Sequence[Entry], generator: random.Random) -> Selection:
        """Return a parent on the island whose turn it is."""
        island = len(graph) % self.islands
        own = [e for e in graph if e.island == island]
        pool = ranked(own)
        if len(own) % self.migration == self.migration - 1:
            neighbour = ranked([e for e in graph if e.island == (island + 1) % self.islands])
            pool = neighbour[:1] or pool
        pool = pool or ranked(graph)  # an island without a right candidate borrows one
        if not pool:
            return Selection((), island)
        drawn = [generator.choice(pool) for _ in range(self.tournament)]
        return Selection((ranked(drawn)[0],), island)
