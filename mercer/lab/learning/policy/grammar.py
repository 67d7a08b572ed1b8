"""The choices that make a schedule, one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from mercer.lab.candidate import Candidate
from mercer.lab.problem import Problem
from mercer.lab.templates.graph import KINDS, Graph, Node
from mercer.lab.templates.module import emit
from mercer.lab.templates.plan import Step, everything, plan
from mercer.lab.templates.schedule import Schedule, Tiling
from mercer.lab.templates.trace import trace

VALUES: dict[str, tuple[Any, ...]] = {
    "stored": (False, True),
    "joined": (False, True),
    "direct": (False, True),
    "form": ("whole", "loop", "split"),
    "entries": (256, 512, 1024, 2048, 4096, 8192, 16384),
    "rows": (1, 4, 16, 32, 64),
    "block": (32, 128, 256, 512, 1024, 2048, 4096),
    "parts": (4, 16, 64, 256),
    "online": (False, True),
    "flat": (False, True),
    "warps": (1, 2, 4, 8, 16),
    "stages": (1, 2, 3, 4),
    "programs": (0, 1, 2, 4, 8),
    "keep": ("", "first", "last"),
}
ONLY_TRITON = ("direct", "warps", "stages", "programs", "keep")


@dataclass(frozen=True)
class Decision:
    """One choice to be made.

    Parameters
    ----------
    field : str
        Which; the policy knows it by this name.
    values : tuple
        What there is to choose from.
    features : tuple of float
        Of the array or kernel that it is about; as many for every decision of a grammar.
    """

    field: str
    values: tuple[Any, ...]
    features: tuple[float, ...] = ()


class Grammar(Protocol):
    """A set of programs, spelt out as a sequence of choices.

    Each decision may depend on the problem and on what was chosen before.
    """

    fields: Sequence[str]
    widest: int  # the most values that a decision has
    decision_features: int
    problem_features: int

    def decision(self, problem: Problem, choices: tuple[int, ...]) -> Decision | None:
        """Return the next decision, or None if all are made."""
        ...

    def features(self, problem: Problem) -> tuple[float, ...]:
        """Return what is known of a problem: `problem_features` numbers."""
        ...

    def candidate(self, problem: Problem, choices: tuple[int, ...]) -> Candidate:
        """Return the program, or raise a ValueError where there is none."""
        ...


class ScheduleGrammar:
    """Schedules of a problem's graph: what is stored, what is joined, how each kernel is tiled.

    Which kernels there are to tile depends on what is stored: the plan is made in between.

    Parameters
    ----------
    language : {"triton", "cpp"}, optional
    size : str, optional
        That the programs should be fast at.

    Examples
    --------
    >>> from mercer.lab.problems import find
    >>> grammar = ScheduleGrammar(size="small")
    >>> grammar.decision(find("softmax"), ()).field
    'stored'
    """

    decision_features = len(KINDS) + 3
    problem_features = len(KINDS) + 4

    def __init__(self, language: str = "triton", *, size: str = "race") -> None:
        self.language, self.size = language, size
        skipped = ONLY_TRITON if language == "cpp" else ()
        self.fields = tuple(field for field in VALUES if field not in skipped)
        self.widest = max(len(VALUES[field]) for field in self.fields)
        self._whole: tuple[str, ...] = tuple(f for f in ("joined", "direct") if f in self.fields)
        self._graph = lru_cache(maxsize=None)(trace)
        self._kernels = lru_cache(maxsize=4096)(self._planned)

    def decision(self, problem: Problem, choices: tuple[int, ...]) -> Decision | None:
        """Return the next decision, or None if all are made."""
        graph = self._graph(problem)
        arrays = _optional(graph)
        if len(choices) < len(arrays):
            node = graph.node(arrays[len(choices)])
            return Decision("stored", VALUES["stored"], self._about(graph, node))
        at = len(arrays) + len(self._whole)
        if len(choices) < at:
            field = self._whole[len(choices) - len(arrays)]
            return Decision(field, VALUES[field], (0.0,) * self.decision_features)
        for step in self._kernels(problem, choices[:at]):
            tiling: dict[str, Any] = {}
            while (name := self._next_field(step, tiling)) is not None:
                values = self._values(step, name)
                if at == len(choices):
                    return Decision(name, values, self._about(graph, step.roots[0]))
                tiling[name] = values[choices[at]]
                at += 1
        return None

    def schedule(self, problem: Problem, choices: tuple[int, ...]) -> Schedule:
        """Return the schedule that all choices together make."""
        arrays = _optional(self._graph(problem))
        at = len(arrays) + len(self._whole)
        schedule = self._structure(problem, choices[:at])
        tilings = {}
        for step in self._kernels(problem, choices[:at]):
            tiling: dict[str, Any] = {}
            while field := self._next_field(step, tiling):
                tiling[field] = self._values(step, field)[choices[at]]
                at += 1
            tilings[step.name] = Tiling(**tiling)
        return replace(schedule, tilings=tilings)

    def candidate(self, problem: Problem, choices: tuple[int, ...]) -> Candidate:
        """Return the program; `Unsupported`, a ValueError, where a kernel cannot be cut so."""
        return emit(self._graph(problem), self.schedule(problem, choices), size=self.size)

    def features(self, problem: Problem) -> tuple[float, ...]:
        """Return how many arrays of each kind there are, the level, and the sizes in and out."""
        graph = self._graph(problem)
        kinds = [math.log1p(sum(n.kind == k for n in graph.nodes)) for k in KINDS]
        read = sum(self._entries(graph, n) for n in graph.arguments)
        written = sum(self._entries(graph, n) for n in graph.outputs)
        held = sum(self._entries(graph, n) for n in graph.parameters.values())
        logs = [math.log1p(x) / 10 for x in (read, written, held)]
        return (*kinds, float(problem.level), *logs)

    def _structure(self, problem: Problem, choices: tuple[int, ...]) -> Schedule:
        arrays = _optional(self._graph(problem))
        stored = tuple(name for name, chosen in zip(arrays, choices) if chosen)
        rest: dict[str, Any] = {
            field: bool(c) for field, c in zip(self._whole, choices[len(arrays) :])
        }
        return Schedule(self.language, stored=stored, **rest)

    def _planned(self, problem: Problem, choices: tuple[int, ...]) -> list[Step]:
        return plan(self._graph(problem), self._structure(problem, choices), size=self.size).kernels

    def _next_field(self, step: Step, chosen: dict[str, Any]) -> str | None:
        """Return the first field of a kernel's tiling that matters and is not chosen yet."""
        assert step.layout is not None
        if step.layout.passes:
            names = ["form"]
            if chosen.get("form") == "whole":
                names += ["entries"]
            elif "form" in chosen:
                names += ["rows", "block", "online"]
                names += ["parts"] if chosen["form"] == "split" else []
        else:
            names = ["flat", "entries"]
            names += ["rows", "block"] if chosen.get("flat") is False else []
        names += ["warps", "stages", "programs", "keep"]
        return next((f for f in names if f in self.fields and f not in chosen), None)

    def _values(self, step: Step, field: str) -> tuple[Any, ...]:
        values = VALUES[field]
        if field == "form" and step.layout is not None and not step.layout.cuttable:
            return tuple(v for v in values if v != "split")
        return values

    def _about(self, graph: Graph, node: Node) -> tuple[float, ...]:
        kinds = [float(node.kind == k) for k in KINDS]
        source = max((self._entries(graph, s) for s in node.sources), default=1)
        readers = len(graph.users[node.name])
        size = self._entries(graph, node)
        return (*kinds, math.log1p(size) / 10, math.log1p(source) / 10, math.log1p(readers))

    def _entries(self, graph: Graph, node: Node) -> int:
        at = graph.names.index(self.size)
        return math.prod(extent[at] for extent in node.shape)


def _optional(graph: Graph) -> tuple[str, ...]:
    """Name the arrays that may, but need not, be stored."""
    kept = {node.name for node in graph.outputs}
    return tuple(name for name in everything(graph) if name not in kept)
