"""Finding a kernel's loops: rows, and what each row's reductions and scans run over."""

from __future__ import annotations

from mercer.lab.templates.axis import Axis, Index, Split, Value
from mercer.lab.templates.extent import Extent, product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.indexing import composed
from mercer.lab.templates.layout import Layout, Reduction, Store, partner
from mercer.lab.templates.roots import LANES, Roots

SMALL = 64  # a reduction of so few terms may be repeated for every entry
CROWD = 264  # programs that keep an H200 busy, two on each multiprocessor
LONG = 8192  # a row that fits into the registers of one program


class Explorer(Roots):
    """Walks from what a kernel stores back to what it reads, and notes the loops that it needs.

    Parameters
    ----------
    sizes, stored, splits, size
        See `Survey`.
    """

    def __init__(
        self, sizes: int, stored: set[str], splits: dict[str, tuple[Axis, Axis]], size: int
    ) -> None:
        super().__init__(sizes, stored, splits, size)
        self.spaces: list[list[Axis]] = []
        self.reductions: dict[str, Reduction] = {}
        self.backwards: bool | None = None  # which way the scans run, if there are any
        self.serials = 0

    def explore(self, roots: list[Node]) -> Layout:
        """Return the loops that store all the arrays; raises `Store` or `Split`."""
        placed: list[tuple[Node, Index]] = []
        for k, root in enumerate(roots):
            for index in self.first(root) if k == 0 else [self.further(root, placed)]:
                self.value(root, index, root=True)
                placed.append((root, index))
        if self.rows is None:
            self.rows, self.spaces = [], [self.free]
        done = []
        for root, index in placed:
            self.touch(root, index)
            done.append((root, index, self._space_of(index)))
        self._relate()
        found = Layout(
            self.rows, self.spaces, self.reductions, done, self.backwards, self.fast,
            self.splits, self.sizes, max(self.places.values(), default=1), self.raced,
        )  # fmt: skip
        self._refuse_idle(found)
        return found

    def _space_of(self, index: Index) -> int:
        """The space that an index runs over, or -1."""
        names = {e.name for e in index if isinstance(e, Axis)}
        own = ({a.name for a in space} for space in self.spaces)
        return next((s for s, axes in enumerate(own) if axes & names), -1)

    def _relate(self) -> None:
        """Say of each reduction what it needs, how deep it nests and what could be done with it."""
        for reduction in self.reductions.values():
            reduction.needs = self._needs(reduction.node.sources)
        for reduction in self.reductions.values():
            reduction.level = self._level(reduction)
        for reduction in self.reductions.values():
            reduction.partner = partner(reduction, self.reductions)

    def _needs(self, sources: list[Node]) -> set[str]:
        found: set[str] = set()
        for source in sources:
            if source.name in self.reductions:
                found.add(source.name)
            elif source.name not in self.stored:
                found |= self._needs(source.sources)
        return found

    def _level(self, reduction: Reduction) -> int:
        needs = [self.reductions[name] for name in reduction.needs]
        return 1 + max((self._level(n) for n in needs), default=-1)

    def _refuse_idle(self, found: Layout) -> None:
        """Few long rows would leave most of the device idle: their reductions are stored first."""
        rows = found.extent(found.rows)[self.raced]
        programs = rows / LANES if found.lane else rows
        if programs >= CROWD or found.cuttable:
            return
        for reduction in sorted(found.reductions.values(), key=lambda r: r.level):
            limit = LONG if found.lane is None else LONG // LANES
            if found.extent(found.spaces[reduction.space])[self.raced] > limit:
                raise Store(reduction.node)

    # -- reductions --------------------------------------------------------------------------

    def reduce(self, node: Node, index: Index) -> Value:
        """Note a reduction over the kernel's own rows, or refuse it."""
        if node.name in self.reductions:
            if self.reductions[node.name].level != self._signature(index):
                raise Store(node)
            return Value("0", "float", 0, True)
        source, axes = node.inputs[0], node.attributes["axes"]
        total = product([source.shape[a] for a in axes], self.sizes)
        whole = self.rows is None and len(index) == len(self.free)
        if ((whole and self.virtual(source)) or not self._claim(index)) and self._short(
            node, total
        ):
            return self.serial(node, index)
        if not self._claim(index):
            raise Store(node)
        assert self.rows is not None
        space = self._space(source, axes, total)
        inner = self.interleave(source, axes, index, tuple(self.spaces[space]))
        reduction = Reduction(node, space, inner, level=self._signature(index))
        self.reductions[node.name] = reduction
        for argument in node.inputs[1:]:
            self.value(argument, index)
        self._within(source, inner)
        return Value("0", "float", 0, True)

    def serial(self, node: Node, index: Index) -> Value:
        """A short reduction that every entry does by itself."""
        source, axes = node.inputs[0], node.attributes["axes"]
        self.serials += 1
        inner = self.fresh(f"s{self.serials}", source.shape, axes)
        self.value(source, self.interleave(source, axes, index, tuple(inner)))
        home = composed("0", "float", [self.place(e) for e in index])
        return Value("0", "float", 1 if home.space >= 0 else 0, home.row, home.space)

    def _short(self, node: Node, total: Extent) -> bool:
        if node.op not in ("sum", "max", "min"):
            return False
        return max(total) <= (SMALL if self.virtual(node.inputs[0]) else 16)

    def _claim(self, index: Index) -> bool:
        """Let the index name the rows if they are not settled; say whether it does."""
        names = [e.name for e in index if isinstance(e, Axis)]
        if len(names) < len(index) or len(set(names)) < len(names):
            return False
        if self.rows is None:
            if not set(names) <= {a.name for a in self.free}:
                return False
            self.rows = [a for a in self.free if a.name in names]
            left = [a for a in self.free if a.name not in names]
            self.spaces = [left] if left else []
        return {a.name for a in self.rows} == set(names)

    def _signature(self, index: Index) -> int:
        # Stands in for `level` until all reductions are known: the order of the row axes.
        return hash(tuple(e.name for e in index if isinstance(e, Axis)))

    def _space(self, source: Node, axes: tuple[int, ...], total: Extent) -> int:
        """The space of so many columns; a new one if there is none."""
        for k, space in enumerate(self.spaces):
            if product([a.extent for a in space], self.sizes) == total:
                return k
        self.spaces.append(self.fresh(f"c{len(self.spaces)}", source.shape, axes))
        return len(self.spaces) - 1

    def _within(self, source: Node, inner: Index) -> None:
        try:
            self.value(source, inner)
        except Store as refused:
            # Where the reduction's input is no larger, it is what ought to be stored.
            if source.name in self.stored or source.kind == "view":
                raise
            small = product(refused.node.shape, self.sizes)
            if product(source.shape, self.sizes) == small and refused.node is not source:
                raise Store(source) from None
            raise

    # -- scans -------------------------------------------------------------------------------

    def scan(self, node: Node, index: Index) -> Value:
        """Note a scan along the columns, or refuse it."""
        before, here, after = self.around(node, node.attributes["axis"], index)
        if self.rows is None and all(isinstance(e, Axis) for e in index):
            names = {e.name for e in here if isinstance(e, Axis)}
            self.rows = [a for a in self.free if a.name not in names]
            self.spaces = [[a for a in self.free if a.name in names]]
        rows = {e.name for e in (*before, *after) if isinstance(e, Axis)}
        if self.rows is None or rows != {a.name for a in self.rows}:
            raise Store(node)
        if not any(tuple(space) == here for space in self.spaces):
            raise Store(node)
        backwards = node.attributes["reverse"]
        if self.backwards not in (None, backwards):
            raise Store(node)
        self.backwards = backwards
        return self.value(node.inputs[0], index)


def layout(
    roots: list[Node],
    *,
    stored: set[str],
    sizes: int,
    size: int,
    operations: dict[str, str],
) -> Layout:
    """Find the loops of the kernel that stores the arrays.

    Raises
    ------
    Store
        Naming an array that has to be stored by another kernel first.
    """
    splits: dict[str, tuple[Axis, Axis]] = {}
    held = stored - {root.name for root in roots}
    while True:
        explorer = Explorer(sizes, held, splits, size)
        explorer.operations = operations
        try:
            return explorer.explore(roots)
        except Split as cut:
            name, (outer, inner) = cut.axis.name, cut.parts
            splits[name] = (Axis(f"{name}o", outer), Axis(f"{name}i", inner))
