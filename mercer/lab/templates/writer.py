"""One kernel's text, pass by pass, in any language."""

from __future__ import annotations

from dataclasses import dataclass, field

from mercer.lab.templates.axis import Axis, Index, Value
from mercer.lab.templates.extent import Extent, product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.layout import Layout, Reduction
from mercer.lab.templates.schedule import Tiling
from mercer.lab.templates.short_reductions import ShortReductions
from mercer.lab.templates.walk import kind_of


@dataclass(eq=False)
class Kernel:
    """A kernel's text and what a caller needs to launch it.

    Parameters
    ----------
    name, source : str
    arrays : list of str
        What it reads, then what it writes, in the order of its arguments.
    written : list of Node
    states : list of str
        Kinds of the partial results that it leaves for the kernel that finishes the reduction.
    extents, numbers : dict
        Names of what varies with the size.
    rows, spaces, lane :
        The loops, for the grid.
    tiling : Tiling
    finish : Kernel, optional
        The kernel that puts partial results together.
    """

    name: str
    source: str
    arrays: list[str]
    written: list[Node]
    states: list[str]
    extents: dict[Extent, str]
    numbers: dict[tuple[float, ...], str]
    rows: list[Axis]
    spaces: list[list[Axis]]
    lane: Axis | None
    passes: bool
    tiling: Tiling
    finish: Kernel | None = None


@dataclass(eq=False)
class Pass:
    """The statements before, inside and after one walk along the columns."""

    space: int
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


class Writer(ShortReductions):
    """Writes a kernel from its layout and tiling; a subclass is a language.

    Parameters
    ----------
    layout : Layout
    tiling : Tiling
    stored : set of str
        Names of the arrays in memory.
    """

    def __init__(self, layout: Layout, tiling: Tiling, stored: set[str]) -> None:
        roots = {root.name for root, _, _ in layout.roots}
        super().__init__(layout.sizes, stored - roots, layout.splits)
        self.layout, self.tiling = layout, tiling
        self.results: dict[str, Value] = {}
        self.out: list[str] = []
        self.rows, self.spaces, self.lane = self._loops()
        self.parted = tiling.form == "split" and layout.passes  # rows are cut among programs
        self.final = False

    def _loops(self) -> tuple[list[Axis], list[list[Axis]], Axis | None]:
        """Rows and columns; where nothing is reduced the last axis, or all, become columns."""
        rows, spaces, lane = self.layout.rows, self.layout.spaces, self.layout.lane
        if lane is not None:
            rows = [*(a for a in rows if a != lane), lane]
        if self.layout.passes or len(spaces[0]) < 2:
            return rows, spaces, lane
        axes = spaces[0]
        best = self.layout.crossed
        if best is not None:
            return [*(a for a in axes[:-1] if a != best), best], [axes[-1:]], best
        return ([], [axes], None) if self.tiling.flat else (axes[:-1], [axes[-1:]], None)

    def row_extent(self) -> Extent:
        """How many rows there are."""
        return product([a.extent for a in self.rows], self.sizes)

    def column_extent(self, space: int) -> Extent:
        """How many columns a space has."""
        return product([a.extent for a in self.spaces[space]], self.sizes)

    def digit(self, text: str, axes: list[Axis], axis: Axis) -> str:
        """The place along one axis of a row-major number over several."""
        k = axes.index(axis)
        inner = product([a.extent for a in axes[k + 1 :]], self.sizes)
        text = text if inner == self.ones else f"({text}) // {self.extent(inner)}"
        return text if k == 0 else f"({text}) % {self.extent(axis.extent)}"

    # -- passes ------------------------------------------------------------------------------

    def reduce(self, node: Node, index: Index) -> Value:
        """The result of a reduction over the rows, else a loop for this entry alone."""
        return self.results.get(node.name) or self.serial(node, index)

    def joint(self, reduction: Reduction) -> bool:
        """Whether the reduction is done in its partner's pass."""
        online = self.tiling.form == "split" or (self.tiling.form == "loop" and self.tiling.online)
        return bool(reduction.partner) and online

    def body(self) -> list[str]:
        """All statements of the kernel, from the first pass to the last store."""
        reductions = list(self.layout.reductions.values())
        joint = {r.partner: r for r in reductions if self.joint(r)}
        alone = [r for r in reductions if not self.joint(r)]
        depth = self._depths(alone)
        for level in sorted(set(depth.values())):
            for space in range(len(self.spaces)):
                now = [r for r in alone if depth[r.node.name] == level and r.space == space]
                if now:
                    self._reducing(space, now, joint)
        for space in range(len(self.spaces)):
            roots = [(n, i) for n, i, s in self.layout.roots if s == space]
            if roots:
                self.final = True
                walk = self.begin(space)
                for node, index in roots:
                    self._store(node, index, 1)
                self.end(walk)
        if not self.parted:
            for node, index, space in self.layout.roots:
                if space < 0:
                    self._store(node, index, 0)
        self.flush()
        return self.out

    def _depths(self, alone: list[Reduction]) -> dict[str, int]:
        """In which round each reduction is done, those done beside another counted with it."""
        known = self.layout.reductions
        depth: dict[str, int] = {}

        def visit(reduction: Reduction) -> int:
            home = known[reduction.partner] if self.joint(reduction) else reduction
            if home.node.name not in depth:
                needs = [visit(known[n]) for n in home.needs]
                depth[home.node.name] = 1 + max(needs, default=-1)
            return depth[home.node.name]

        for reduction in alone:
            visit(reduction)
        return depth

    def _reducing(self, space: int, now: list[Reduction], joint: dict[str, Reduction]) -> None:
        walk = self.begin(space)
        found: dict[str, Value] = {}
        for reduction in now:
            source = self._source(reduction.node, reduction.index)
            second = joint.get(reduction.node.name)
            if second is None:
                found[reduction.node.name] = self.accumulate(walk, reduction, source)
            else:
                pair = self.accumulate_pair(walk, reduction, second, source)
                found[reduction.node.name], found[second.node.name] = pair
        self.end(walk)
        self.results |= found

    def _source(self, node: Node, index: Index) -> Value:
        value = self.value(node.inputs[0], index)
        if node.op == "moment":
            gap = self.named(f"({value.text} - {self.results_of(node)})", "float", value)
            return self.named(f"({gap.text} * {gap.text})", "float", gap)
        kind = kind_of(node.inputs[0].dtype)
        return self.cast(value, "int" if kind == "bool" else kind)

    def results_of(self, moment: Node) -> str:
        """The mean that a moment is taken about: a value of the row."""
        return self.value(moment.inputs[1], tuple(self.rows)).text

    def _store(self, node: Node, index: Index, level: int) -> None:
        value = self.cast(self.value(node, index, root=True), kind_of(node.dtype))
        self.lines[level] += self.store(node, self.offset(index), value)

    def flush(self) -> None:
        """Append the row's own statements to the kernel."""
        self.out += self.lines[0]
        self.lines[0] = []

    # -- what a language decides -----------------------------------------------------------------

    def begin(self, space: int) -> Pass:
        """Start a walk along the columns."""
        raise NotImplementedError

    def end(self, walk: Pass) -> None:
        """Finish it."""
        raise NotImplementedError

    def accumulate(self, walk: Pass, reduction: Reduction, value: Value) -> Value:
        """Add an entry to a reduction."""
        raise NotImplementedError

    def accumulate_pair(
        self, walk: Pass, first: Reduction, second: Reduction, value: Value
    ) -> tuple[Value, Value]:
        """Add an entry to a reduction and to the one done beside it."""
        raise NotImplementedError

    def store(self, node: Node, offset: Value, value: Value) -> list[str]:
        """Write an entry."""
        raise NotImplementedError


def indented(lines: list[str]) -> list[str]:
    """The lines, four columns to the right."""
    return [f"    {line}" for line in lines]
