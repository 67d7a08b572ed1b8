"""Where entries stand, as program text: values with names, and indices that are cut and joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mercer.lab.templates.axis import Axis, Index, Term, Value, cut
from mercer.lab.templates.extent import Extent, is_one, product
from mercer.lab.templates.graph import Node


class Indexing:
    """Writes positions in arrays; what is written goes to `lines[level]`, each text once.

    Level 0 is outside the loop over columns. A subclass says how a language writes an axis, a
    constant and a name.

    Parameters
    ----------
    sizes : int
    splits : dict
        Axes that had to be cut in two, by name.
    """

    def __init__(self, sizes: int, splits: dict[str, tuple[Axis, Axis]]) -> None:
        self.sizes, self.splits = sizes, splits
        self.ones = (1,) * sizes
        self.lines: list[list[str]] = [[], []]
        self.scopes: list[dict[Any, Value]] = [{}, {}]
        self.extents: dict[Extent, str] = {}
        self.numbers: dict[tuple[float, ...], str] = {}
        self.counter = 0
        self.largest = 0

    # -- what a language decides -----------------------------------------------------------------

    def axis(self, axis: Axis) -> Value:
        """The text of a loop variable."""
        raise NotImplementedError

    def assign(self, name: str, value: Value) -> tuple[list[str], str]:
        """The statements that give a name to a value, and how to refer to it afterwards."""
        raise NotImplementedError

    def number(self, value: Any) -> str:
        """A constant as the language writes it."""
        raise NotImplementedError

    # -- texts -------------------------------------------------------------------------------

    def extent(self, extent: Extent) -> str:
        """The name of an extent, which the kernel takes as an argument, or the constant."""
        if len(set(extent)) == 1:
            return str(extent[0])
        return self.extents.setdefault(extent, f"N{len(self.extents)}")

    def literal(self, value: Any) -> Value:
        """A number: a constant, an extent, or one that varies with the size."""
        if isinstance(value, tuple):
            if all(isinstance(v, int) for v in value):
                return Value(self.extent(value), "int", literal=True)
            if len(set(value)) > 1:
                name = self.numbers.setdefault(value, f"F{len(self.numbers)}")
                return Value(name, "float", literal=True)
            value = value[0]
        kind = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "float"
        return Value(self.number(value), kind, literal=True)

    def named(self, text: str, kind: str, *parts: Value, level: int = 0) -> Value:
        """Give a name to a text made of parts, once per scope."""
        value = composed(text, kind, parts, level=level)
        for known in range(value.level + 1):
            if text in self.scopes[known]:
                return self.scopes[known][text]
        self.counter += 1
        lines, reference = self.assign(f"v{self.counter}", value)
        self.lines[value.level] += lines
        result = replace(value, text=reference)
        self.scopes[value.level][text] = result
        return result

    # -- indices -----------------------------------------------------------------------------

    def axes(self, name: str, extent: Extent) -> list[Axis]:
        """The axis of that name, or the parts that it had to be split into."""
        if is_one(extent):
            return []
        if name in self.splits:
            outer, inner = self.splits[name]
            return self.axes(outer.name, outer.extent) + self.axes(inner.name, inner.extent)
        return [Axis(name, extent)]

    def place(self, element: Axis | Term) -> Value:
        """The text of one digit of an index."""
        return element.value if isinstance(element, Term) else self.axis(element)

    def offset(self, index: Index) -> Value:
        """The row-major position of an index."""
        parts, texts = [], []
        inner: Extent = self.ones
        for element in reversed([e for e in index if not is_one(e.extent)]):
            place = self.place(element)
            stride = self.extent(inner)
            texts.append(place.text if stride == "1" else f"{place.text} * {stride}")
            parts.append(place)
            inner = product([inner, element.extent], self.sizes)
        self.largest = max(self.largest, *inner)
        return composed(" + ".join(reversed(texts)) or "0", "int", parts)

    def cut(self, index: Index, groups: Sequence[Extent]) -> list[Index]:
        """Cut an index into groups; raises `Split` where an axis has to be cut first."""
        return cut(index, groups, self._divide, self._flatten)

    def _divide(self, term: Term, inner: Extent) -> tuple[Term, Term]:
        size = self.extent(inner)
        whole = self.named(f"({term.value.text}) // {size}", "int", term.value)
        rest = self.named(f"({term.value.text}) % {size}", "int", term.value)
        outer = tuple(a // b for a, b in zip(term.extent, inner))
        return Term(whole, outer), Term(rest, inner)

    def _flatten(self, index: Index) -> Term:
        return Term(self.offset(index), product([e.extent for e in index], self.sizes))

    # -- axes that go and axes that stay ---------------------------------------------------------

    def runs(self, shape: Sequence[Extent], gone: Sequence[int]) -> list[tuple[bool, Extent]]:
        """Neighbouring axes that all go, or all stay, as one: whether they go, and their extent."""
        runs: list[tuple[bool, Extent]] = []
        for k, extent in enumerate(shape):
            goes = k in gone
            if runs and runs[-1][0] == goes:
                runs[-1] = (goes, product([runs[-1][1], extent], self.sizes))
            else:
                runs.append((goes, extent))
        return runs

    def fresh(self, name: str, shape: Sequence[Extent], gone: Sequence[int]) -> list[Axis]:
        """New loop variables, named one after the other, for the axes that go."""
        runs = enumerate(self.runs(shape, gone))
        return [a for k, (goes, extent) in runs if goes for a in self.axes(f"{name}_{k}", extent)]

    def remaining(self, shape: Sequence[Extent], gone: Sequence[int], index: Index) -> Index:
        """What is left of an index of a shape without the axes that go."""
        runs = self.runs(shape, gone)
        parts = self.cut(index, [extent for _, extent in runs])
        return tuple(e for (goes, _), part in zip(runs, parts) if not goes for e in part)

    def broadcast(self, source: Node, shape: tuple[Extent, ...], index: Index) -> Index:
        """The index of an array that is broadcast to a shape, given the index in that shape."""
        padded = (self.ones,) * (len(shape) - len(source.shape)) + source.shape
        lost = [k for k, (a, b) in enumerate(zip(padded, shape)) if is_one(a) and not is_one(b)]
        return self.remaining(shape, lost, index) if lost else index

    def interleave(self, node: Node, axes: Sequence[int], kept: Index, gone: Index) -> Index:
        """The index of a reduction's input from that of its result and the reduced axes."""
        runs = self.runs(node.shape, axes)
        outer = iter(self.cut(kept, [e for goes, e in runs if not goes]))
        inner = iter(self.cut(gone, [e for goes, e in runs if goes]))
        return tuple(e for goes, _ in runs for e in (next(inner) if goes else next(outer)))

    def around(self, node: Node, axis: int, index: Index) -> list[Index]:
        """Cut an index of a node into what is before an axis, the axis, and what is after."""
        shape = node.shape
        groups = [shape[:axis], shape[axis : axis + 1], shape[axis + 1 :]]
        return self.cut(index, [product(g, self.sizes) for g in groups])


def composed(text: str, kind: str, parts: Sequence[Value], *, level: int = 0) -> Value:
    """A text made of parts: it varies with all that one of them varies with."""
    level = max([level, *(p.level for p in parts)])
    row, space = any(p.row for p in parts), max([-1, *(p.space for p in parts)])
    return Value(text, kind, level, row, space)
