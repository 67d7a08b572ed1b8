"""The index at which a kernel stores each of its arrays."""

from __future__ import annotations

from mercer.lab.templates.axis import Axis, Index, Term, Value
from mercer.lab.templates.extent import product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.layout import Store
from mercer.lab.templates.survey import Survey

LANES = 32  # neighbouring columns that one program reads together


class Roots(Survey):
    """The part of an explorer that opens loops for what is stored.

    Parameters
    ----------
    sizes, stored, splits, size
        See `Survey`.
    """

    def __init__(
        self, sizes: int, stored: set[str], splits: dict[str, tuple[Axis, Axis]], size: int
    ) -> None:
        super().__init__(sizes, stored, splits, size)
        self.free: list[Axis] = []  # until rows are settled: all loops
        self.rows: list[Axis] | None = None

    def first(self, root: Node) -> list[Index]:
        """Open the loops of the first array, and return its index, or one for each part of it."""
        if self._pieces(root):
            return self._apart(root)
        axes = self.axes("a", product(root.shape, self.sizes))
        if root.kind == "reduce":
            self.rows = axes
        else:
            self.free = axes
        return [tuple(axes)]

    def further(self, root: Node, placed: list[tuple[Node, Index]]) -> Index:
        """The index of one more array in the loops that there are; raises `Store` if none fits."""
        size = product(root.shape, self.sizes)
        if any(isinstance(e, Term) for _, index in placed for e in index):
            raise Store(root)  # what is there covers a part of its array only
        for other, index in placed:
            if other.shape == root.shape:
                return index
        if self.rows is not None and size == product([a.extent for a in self.rows], self.sizes):
            return tuple(self.rows)
        inner = root
        while inner.kind in ("point", "view") and inner.sources:
            inner = inner.sources[0]
        first, index = placed[0]
        if self.rows is None and inner.kind == "reduce":
            source = inner.inputs[0]
            if source.shape == first.shape and product(inner.shape, self.sizes) == size:
                return self.remaining(source.shape, inner.attributes["axes"], index)
        raise Store(root)

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
