"""Reductions of few terms, which every entry does by itself in a loop of its own."""

from __future__ import annotations

from dataclasses import replace

from mercer.lab.templates.axis import Axis, Index, Value
from mercer.lab.templates.graph import Node
from mercer.lab.templates.indexing import composed
from mercer.lab.templates.places import Places
from mercer.lab.templates.walk import kind_of


class ShortReductions(Places):
    """The part of a kernel's text that opens loops within the loop over columns.

    Parameters
    ----------
    sizes, stored, splits
        See `Walk`.
    """

    def __init__(self, sizes: int, stored: set[str], splits: dict[str, tuple[Axis, Axis]]) -> None:
        super().__init__(sizes, stored, splits)
        self.serials = 0
        self.opened: dict[tuple[Axis, ...], int] = {}  # the axes of each loop, and its level

    def serial(self, node: Node, index: Index) -> Value:
        """The entry of a short reduction."""
        source, gone = node.inputs[0], node.attributes["axes"]
        self.serials += 1
        axes = self.fresh(f"s{self.serials}", source.shape, gone)
        entry = self.interleave(source, gone, index, tuple(axes))
        home = composed("", "int", [self.place(e) for e in index])  # where the result stands
        level = len(self.lines)
        self.opened[tuple(axes)] = level
        value, body = self._terms(node, entry, home.level)
        self.counter += 1
        result = replace(home, text=f"v{self.counter}", kind=value.kind)
        lines, text = self.repeat(node.op, result.text, result, value, axes, level, body)
        self.lines[home.level] += lines
        return replace(result, text=text)

    def _terms(self, node: Node, entry: Index, home: int) -> tuple[Value, list[str]]:
        """What is reduced, and the statements that it needs inside the loop."""
        self.lines.append([])
        self.scopes.append({})
        guards = self.guards  # a condition on a loop that the result does not vary over is no limit
        self.guards = tuple(g for g in guards if g.level <= home)
        value = self.cast(self.value(node.inputs[0], entry), kind_of(node.dtype))
        self.guards = guards
        self.scopes.pop()
        return value, self.lines.pop()

    def level_of(self, axis: Axis) -> int:
        """The level of the loop that a short reduction runs over this axis."""
        return next(level for axes, level in self.opened.items() if axis in axes)

    def counted(self, axis: Axis) -> tuple[str, list[Axis]]:
        """The loop variable that an axis of a short reduction is a digit of."""
        axes = next(axes for axes in self.opened if axis in axes)
        return f"i{self.opened[axes]}", list(axes)

    def repeat(
        self,
        op: str,
        name: str,
        result: Value,
        value: Value,
        axes: list[Axis],
        level: int,
        body: list[str],
    ) -> tuple[list[str], str]:
        """The statements of a short reduction, and how to refer to its result."""
        raise NotImplementedError
