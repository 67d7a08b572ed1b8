"""Finding a kernel's loops: the walk over its arrays, its text thrown away."""

from __future__ import annotations

from mercer.lab.templates.axis import Axis, Index, Split, Term, Value
from mercer.lab.templates.extent import Extent, product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.layout import Layout, Reduction, Store, partner
from mercer.lab.templates.places import Places

SMALL = 64  # a reduction of so few terms may be repeated for every entry
CROWD = 264  # programs that keep an H200 busy, two on each multiprocessor
LANES = 32  # neighbouring columns that one program reads together
LONG = 8192  # a row that fits into the registers of one program


class Explorer(Places):
    """Walks a kernel's arrays to find its loops; the text it writes is thrown away."""

    def __init__(
        self, sizes: int, stored: set[str], splits: dict[str, tuple[Axis, Axis]], size: int
    ) -> None:
        super().__init__(sizes, stored, splits)
        self.raced = size
        self.free: list[Axis] = []
        self.rows: list[Axis] | None = None
        self.spaces: list[list[Axis]] = []
        self.reductions: dict[str, Reduction] = {}
        self.backwards: bool | None = None  # which way the scans run, if there are any
        self.serials = 0
        self.fast: dict[str, int] = {}
        self.places: dict[str, int] = {}  # at how many of them an array is read

    def explore(self, roots: list[Node]) -> Layout:
        """Return the loops that store all the arrays; raises `Store` or `Split`."""
        placed: list[tuple[Node, Index, int]] = []
        for k, root in enumerate(roots):
            for index in self._first(root) if k == 0 else [self._further(root, placed)]:
                self.value(root, index, root=True)
                placed.append((root, index, -1))
        if self.rows is None:
            self.rows, self.spaces = [], [self.free]
        named = [{a.name for a in space} for space in self.spaces]
        done = []
        for root, index, _ in placed:
            names = {e.name for e in index if isinstance(e, Axis)}
            space = next((s for s, own in enumerate(named) if own & names), -1)
            self._touch(root, index)
            done.append((root, index, space))
        for reduction in self.reductions.values():
            reduction.needs = self._needs(reduction.node.sources)
        for reduction in self.reductions.values():
            reduction.level = self._level(reduction)
            reduction.partner = partner(reduction, self.reductions)
        found = Layout(
            self.rows, self.spaces, self.reductions, done, self.backwards, self.fast,
            self.splits, self.sizes, max(self.places.values(), default=1),
        )  # fmt: skip
        self._refuse_idle(found)
        return found

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

    def _first(self, root: Node) -> list[Index]:
        if self._pieces(root):
            return self._apart(root)
        axes = self.axes("a", product(root.shape, self.sizes))
        if root.kind == "reduce":
            self.rows = axes
        else:
            self.free = axes
        return [tuple(axes)]

    def _pieces(self, root: Node) -> bool:
        """Whether a concatenation is of few parts alike, worth storing side by side."""
        if root.kind != "cat" or not 2 <= len(root.inputs) <= 4:
            return False
        extents = {source.shape[root.attributes["axis"]] for source in root.inputs}
        return len(extents) == 1 and extents.pop()[self.raced] >= LANES

    def _apart(self, root: Node) -> list[Index]:
        """One index for each part of a concatenation, over the same loops."""
        axis, count = root.attributes["axis"], len(root.inputs)
        inner = root.inputs[0].shape[axis:]
        before = self.axes("a", product(root.shape[:axis], self.sizes))
        after = self.axes("b", product(inner, self.sizes))
        self.free = [*before, *after]
        parts = [Value(str(k), "int", literal=True) for k in range(count)]
        many = (count,) * self.sizes
        return [(*before, Term(part, many), *after) for part in parts]

    def _further(self, root: Node, placed: list[tuple[Node, Index, int]]) -> Index:
        size = product(root.shape, self.sizes)
        if any(isinstance(e, Term) for _, index, _ in placed for e in index):
            raise Store(root)  # what is there covers a part of its array only
        for other, index, _ in placed:
            if other.shape == root.shape:
                return index
        if self.rows is not None and size == product([a.extent for a in self.rows], self.sizes):
            return tuple(self.rows)
        inner = root
        while inner.kind in ("point", "view") and inner.sources:
            inner = inner.sources[0]
        first, index, _ = placed[0]
        if self.rows is None and inner.kind == "reduce":
            source = inner.inputs[0]
            if source.shape == first.shape and product(inner.shape, self.sizes) == size:
                runs = self._runs(
                    source, [k in inner.attributes["axes"] for k in range(len(source.shape))]
                )
                parts = self.cut(index, [extent for _, extent in runs])
                return tuple(e for (gone, _), p in zip(runs, parts) if not gone for e in p)
        raise Store(root)

    def _claim(self, index: Index, node: Node) -> bool:
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

    def reduce(self, node: Node, index: Index) -> Value:
        """Note a reduction over the kernel's own rows, or refuse it."""
        if node.name in self.reductions:
            if self.reductions[node.name].level != self._signature(index):
                raise Store(node)
            return Value("0", "float", 0, True)
        source, axes = node.inputs[0], node.attributes["axes"]
        total = product([source.shape[a] for a in axes], self.sizes)
        whole = self.rows is None and len(index) == len(self.free)
        if ((whole and self._virtual(source)) or not self._claim(index, node)) and self._serial(
            node, total
        ):
            return self.serial(node, index)
        if not self._claim(index, node):
            raise Store(node)
        assert self.rows is not None
        space = self._space(source, axes, total)
        inner = self.interleave(source, axes, index, tuple(self.spaces[space]))
        reduction = Reduction(node, space, inner, level=self._signature(index))
        self.reductions[node.name] = reduction
        for argument in node.inputs[1:]:
            self.value(argument, index)
        self._within(node, source, inner)
        return Value("0", "float", 0, True)

    def _within(self, node: Node, source: Node, inner: Index) -> None:
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

    def _signature(self, index: Index) -> int:
        # Stands in for `level` until all reductions are known: the order of the row axes.
        return hash(tuple(e.name for e in index if isinstance(e, Axis)))

    def _space(self, source: Node, axes: tuple[int, ...], total: Extent) -> int:
        for k, space in enumerate(self.spaces):
            if product([a.extent for a in space], self.sizes) == total:
                return k
        runs = self._runs(source, [k in axes for k in range(len(source.shape))])
        new: list[Axis] = []
        for k, (gone, extent) in enumerate(runs):
            if gone:
                new += self.axes(f"c{len(self.spaces)}_{k}", extent)
        self.spaces.append(new)
        return len(self.spaces) - 1

    def _serial(self, node: Node, total: Extent) -> bool:
        if node.op not in ("sum", "max", "min"):
            return False
        return max(total) <= (SMALL if self._virtual(node.inputs[0]) else 16)

    def _virtual(self, node: Node) -> bool:
        """Whether an array is larger than all that it is computed from."""
        held: dict[str, int] = {}

        def visit(n: Node) -> None:
            if n.name in self.stored or not n.sources:
                held[n.name] = product(n.shape, self.sizes)[self.raced] if n.kind != "iota" else 0
            else:
                for source in n.sources:
                    visit(source)

        visit(node)
        return product(node.shape, self.sizes)[self.raced] > 4 * sum(held.values())

    def serial(self, node: Node, index: Index) -> Value:
        """A short reduction that every entry does by itself."""
        source, axes = node.inputs[0], node.attributes["axes"]
        inner = self.interleave(source, axes, index, self.fresh(source, axes))
        self.value(source, inner)
        row, space = self._spans(index)
        return Value("0", "float", 1 if space >= 0 else 0, row, space)

    def fresh(self, source: Node, axes: tuple[int, ...]) -> Index:
        """New loop variables for the reduced axes of a short reduction."""
        self.serials += 1
        runs = self._runs(source, [k in axes for k in range(len(source.shape))])
        return tuple(
            a
            for k, (gone, e) in enumerate(runs)
            if gone
            for a in self.axes(f"s{self.serials}_{k}", e)
        )

    def _spans(self, index: Index) -> tuple[bool, int]:
        places = [self.place(e) for e in index]
        return any(p.row for p in places), max([-1, *(p.space for p in places)])

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

    # -- text that nobody reads --------------------------------------------------------------

    def axis(self, axis: Axis) -> Value:
        """Return the text of a loop variable."""
        return Value(axis.name, "int", 1, True, 0)

    def assign(self, name: str, value: Value) -> tuple[list[str], str]:
        """Give a name to a value."""
        return [], name

    def number(self, value: object) -> str:
        """Write a constant."""
        return str(value)

    def cast(self, value: Value, kind: str) -> Value:
        """Convert a value."""
        return Value(value.text, kind, value.level, value.row, value.space, value.literal)

    def load(self, node: Node, offset: Value) -> Value:
        """Read an entry."""
        return Value(f"{node.name}[{offset.text}]", "int", offset.level, offset.row, offset.space)

    def _fetch(self, node: Node, index: Index) -> Value:
        self._touch(node, index)
        return super()._fetch(node, index)

    _input = _extern = _fetch

    def _touch(self, node: Node, index: Index) -> None:
        self.places[node.name] = self.places.get(node.name, 0) + 1
        index = tuple(e for e in index if e.extent != self.ones)
        if index and isinstance(index[-1], Axis):
            size = product(node.shape, self.sizes)[self.raced]
            self.fast[index[-1].name] = self.fast.get(index[-1].name, 0) + size


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
