"""Which arrays are stored, by which kernels, in which order."""

from __future__ import annotations

from dataclasses import dataclass, field

from mercer.lab.templates.dialect import TRITON
from mercer.lab.templates.explorer import layout
from mercer.lab.templates.graph import Graph, Node
from mercer.lab.templates.layout import Layout, Store
from mercer.lab.templates.schedule import Schedule

COMPUTED = ("point", "reduce", "scan", "gather", "cat", "pad")


@dataclass(eq=False)
class Step:
    """One kernel, or one operator that stays PyTorch's.

    Parameters
    ----------
    roots : list of Node
        What it stores.
    layout : Layout, optional
        The kernel's loops; None for an operator.
    reads : set of str
        The arrays in memory that it needs.
    """

    roots: list[Node]
    layout: Layout | None = None
    reads: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The name of the first array it stores, which is the kernel's too."""
        return self.roots[0].name


@dataclass(eq=False)
class Plan:
    """The steps of a program in order, the arrays in memory, and the size to be fast at."""

    graph: Graph
    schedule: Schedule
    steps: list[Step]
    stored: set[str]
    size: str

    @property
    def kernels(self) -> list[Step]:
        """The steps that are kernels."""
        return [step for step in self.steps if step.layout is not None]


def everything(graph: Graph) -> tuple[str, ...]:
    """Name every array that an operation computes: stored each, they make one kernel each."""
    return tuple(node.name for node in graph.nodes if node.kind in COMPUTED)


def plan(graph: Graph, schedule: Schedule, *, size: str) -> Plan:
    """Arrange the kernels that a schedule asks for.

    Parameters
    ----------
    graph : Graph
    schedule : Schedule
    size : str
        The size that the kernels should be fast at: it decides where a long reduction is cut.
    """
    at = graph.names.index(size)
    stored = {node.name for node in graph.nodes if node.kind in ("input", "extern")}
    stored |= set(schedule.stored) & {node.name for node in graph.nodes}
    for node in graph.outputs:
        stored.add(node.name)
    for node in graph.nodes:
        if node.kind == "extern":
            stored |= {base(source).name for source in node.sources}
    while True:
        try:
            steps = [_step(node, graph, stored, at) for node in graph.nodes if node.name in stored]
            break
        except Store as refused:
            if refused.node.name in stored:
                raise
            stored.add(refused.node.name)
    steps = [step for step in steps if step.roots[0].kind != "input"]
    if schedule.joined:
        steps = _joined(steps, graph, stored, at)
    return Plan(graph, schedule, _ordered(steps), stored, size)


def base(node: Node) -> Node:
    """The array that PyTorch can make this one of without copying."""
    while node.kind == "view" and node.op in ("reshape", "permute", "expand"):
        node = node.inputs[0]
    return node


def _step(node: Node, graph: Graph, stored: set[str], at: int) -> Step:
    if node.kind == "extern":
        return Step([node], None, {base(source).name for source in node.sources})
    if node.kind == "input":
        return Step([node], None, set())
    return _kernel([node], graph, stored, at)


def _kernel(roots: list[Node], graph: Graph, stored: set[str], at: int) -> Step:
    names = {root.name for root in roots}
    reads: set[str] = set()

    def visit(node: Node) -> None:
        for source in node.sources:
            if source.name in names:
                continue
            if source.name in stored:
                reads.add(source.name)
            else:
                visit(source)

    for root in roots:
        if root.kind == "input":
            reads.add(root.name)
        visit(root)
    found = layout(roots, stored=stored, sizes=graph.sizes, size=at, operations=TRITON)
    return Step(roots, found, reads)


def _joined(steps: list[Step], graph: Graph, stored: set[str], at: int) -> list[Step]:
    """Merge kernels that read the same arrays over the same loops, as far as that goes."""
    merged = True
    while merged:
        merged = False
        for i, first in enumerate(steps):
            for second in steps[i + 1 :]:
                both = _merge(first, second, steps, graph, stored, at)
                if both is not None:
                    steps = [s for s in steps if s is not first and s is not second]
                    steps.insert(min(i, len(steps)), both)
                    merged = True
                    break
            if merged:
                break
    return steps


def _merge(
    first: Step, second: Step, steps: list[Step], graph: Graph, stored: set[str], at: int
) -> Step | None:
    if first.layout is None or second.layout is None:
        return None
    written = {root.name for root in first.roots}
    if not (first.reads & second.reads or written & second.reads):
        return None
    if _between(first, second, steps) or _between(second, first, steps):
        return None
    for roots in (first.roots + second.roots, second.roots + first.roots):
        try:
            both = _kernel(roots, graph, stored, at)
        except Store:
            continue
        assert both.layout is not None
        widest = max(len(first.layout.spaces), len(second.layout.spaces))
        passes = first.layout.passes and second.layout.passes
        alike = passes or not both.layout.passes or bool(written & second.reads)
        if len(both.layout.spaces) <= widest and (alike or len(roots[0].shape) > 1):
            return both
    return None


def _between(first: Step, second: Step, steps: list[Step]) -> bool:
    """Whether something that needs ``first`` is needed, other than directly, by ``second``."""
    makers = {root.name: step for step in steps for root in step.roots}
    seen: set[int] = set()

    def reaches(step: Step, direct: bool) -> bool:
        for name in step.reads:
            maker = makers.get(name)
            if maker is None or id(maker) in seen:
                continue
            if maker is first:
                if not direct:
                    return True
                continue
            if reaches(maker, False):
                return True
            seen.add(id(maker))
        return False

    return reaches(second, True)


def _ordered(steps: list[Step]) -> list[Step]:
    made: set[str] = set()
    every = {root.name for step in steps for root in step.roots}
    result: list[Step] = []
    while len(result) < len(steps):
        step = next(s for s in steps if s not in result and s.reads & every <= made)
        result.append(step)
        made |= {root.name for root in step.roots}
    return result
