"""What a kernel would read: the walk over its arrays, its text thrown away."""

from __future__ import annotations

from dataclasses import replace

from mercer.lab.templates.axis import Axis, Index, Value
from mercer.lab.templates.extent import product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.places import Places


class Survey(Places):
    """Counts reads instead of writing them.

    Parameters
    ----------
    sizes, stored, splits
        See `Walk`.
    size : int
        Which of the sizes entries are counted at.
    """

    def __init__(
        self, sizes: int, stored: set[str], splits: dict[str, tuple[Axis, Axis]], size: int
    ) -> None:
        super().__init__(sizes, stored, splits)
        self.raced = size
        self.fast: dict[str, int] = {}  # entries along each axis where it is the contiguous one
        self.places: dict[str, int] = {}  # at how many of them an array is read

    def entries(self, node: Node) -> int:
        """How many entries an array has."""
        return product(node.shape, self.sizes)[self.raced]

    def touch(self, node: Node, index: Index) -> None:
        """Count that an array is read or written at an index."""
        self.places[node.name] = self.places.get(node.name, 0) + 1
        index = tuple(e for e in index if e.extent != self.ones)
        if index and isinstance(index[-1], Axis):
            name = index[-1].name
            self.fast[name] = self.fast.get(name, 0) + self.entries(node)

    def virtual(self, node: Node) -> bool:
        """Whether an array is larger than all that it is computed from."""
        held: dict[str, int] = {}

        def visit(n: Node) -> None:
            if n.name in self.stored or not n.sources:
                held[n.name] = self.entries(n) if n.kind != "iota" else 0
            else:
                for source in n.sources:
                    visit(source)

        visit(node)
        return self.entries(node) > 4 * sum(held.values())

    def _fetch(self, node: Node, index: Index) -> Value:
        self.touch(node, index)
        return super()._fetch(node, index)

    _input = _extern = _fetch

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
        return replace(value, kind=kind)

    def load(self, node: Node, offset: Value) -> Value:
        """Read an entry."""
        return replace(offset, text=f"{node.name}[{offset.text}]")
