"""The text of an array's entry at an index, following the graph back to what memory holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from mercer.lab.templates.axis import Axis, Index, Term, Value, cut
from mercer.lab.templates.dialect import BOOLEAN, REAL
from mercer.lab.templates.extent import Extent, is_one, product
from mercer.lab.templates.graph import Node


def kind_of(dtype: torch.dtype) -> str:
    """What a kernel computes with for arrays of the dtype."""
    if dtype == torch.bool:
        return "bool"
    return "float" if dtype.is_floating_point else "int"


class Walk:
    """Writes the statements that an entry needs, each once.

    A subclass says how a language writes them (`Writer`) and what happens at reductions and scans.
    Statements go to `lines[level]`, level 0 outside the loop over columns.

    Parameters
    ----------
    sizes : int
    stored : set of str
        Names of arrays that are in memory.
    splits : dict
        Axes that had to be cut in two, by name.
    """

    operations: dict[str, str]

    def __init__(self, sizes: int, stored: set[str], splits: dict[str, tuple[Axis, Axis]]) -> None:
        self.sizes, self.stored, self.splits = sizes, stored, splits
        self.ones = (1,) * sizes
        self.lines: list[list[str]] = [[], []]
        self.scopes: list[dict[Any, Value]] = [{}, {}]
        self.guards: tuple[Value, ...] = ()
        self.extents: dict[Extent, str] = {}
        self.numbers: dict[tuple[float, ...], str] = {}
        self.loaded: dict[str, Node] = {}
        self.counter = 0
        self.largest = 0

    # -- what a language decides -----------------------------------------------------------------

    def axis(self, axis: Axis) -> Value:
        """The text of a loop variable."""
        raise NotImplementedError

    def assign(self, name: str, value: Value) -> tuple[list[str], str]:
        """The statements that give a name to a value, and how to refer to it afterwards."""
        raise NotImplementedError

    def load(self, node: Node, offset: Value) -> Value:
        """Read an entry of an array in memory."""
        raise NotImplementedError

    def cast(self, value: Value, kind: str) -> Value:
        """Convert a value."""
        raise NotImplementedError

    def reduce(self, node: Node, index: Index) -> Value:
        """The entry of a reduction."""
        raise NotImplementedError

    def scan(self, node: Node, index: Index) -> Value:
        """The entry of a scan."""
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

    def number(self, value: Any) -> str:
        """A constant as the language writes it."""
        raise NotImplementedError

    def named(self, text: str, kind: str, *parts: Value, level: int = 0) -> Value:
        """Give a name to a text made of parts, once per scope."""
        level = max([level, *(p.level for p in parts)])
        row = any(p.row for p in parts)
        space = max([-1, *(p.space for p in parts)])
        for known in range(level + 1):
            if text in self.scopes[known]:
                return self.scopes[known][text]
        self.counter += 1
        value = Value(text, kind, level, row, space)
        lines, reference = self.assign(f"v{self.counter}", value)
        self.lines[level] += lines
        result = Value(reference, kind, level, row, space)
        self.scopes[level][text] = result
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
        level = max([0, *(p.level for p in parts)])
        row = any(p.row for p in parts)
        space = max([-1, *(p.space for p in parts)])
        return Value(" + ".join(reversed(texts)) or "0", "int", level, row, space)

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

    def _runs(self, node: Node, marked: Sequence[bool]) -> list[tuple[bool, Extent]]:
        runs: list[tuple[bool, Extent]] = []
        for mark, extent in zip(marked, node.shape):
            if runs and runs[-1][0] == mark:
                runs[-1] = (mark, product([runs[-1][1], extent], self.sizes))
            else:
                runs.append((mark, extent))
        return runs

    def broadcast(self, source: Node, shape: tuple[Extent, ...], index: Index) -> Index:
        """The index of an array that is broadcast to a shape, given the index in that shape."""
        missing = len(shape) - len(source.shape)
        padded = (self.ones,) * missing + source.shape
        lost = [is_one(a) and not is_one(b) for a, b in zip(padded, shape)]
        if not any(lost):
            return index
        whole = Node("", "full", "", (), shape, torch.float32)
        runs = self._runs(whole, lost)
        parts = self.cut(index, [extent for _, extent in runs])
        return tuple(e for (gone, _), part in zip(runs, parts) if not gone for e in part)

    def interleave(self, node: Node, axes: Sequence[int], kept: Index, gone: Index) -> Index:
        """The index of a reduction's input from that of its result and the reduced axes."""
        runs = self._runs(node, [k in axes for k in range(len(node.shape))])
        outer = iter(self.cut(kept, [e for mark, e in runs if not mark]))
        inner = iter(self.cut(gone, [e for mark, e in runs if mark]))
        return tuple(e for mark, _ in runs for e in (next(inner) if mark else next(outer)))

    def around(self, node: Node, axis: int, index: Index) -> list[Index]:
        """Cut an index of a node into what is before an axis, the axis, and what is after."""
        shape = node.shape
        groups = [shape[:axis], shape[axis : axis + 1], shape[axis + 1 :]]
        return self.cut(index, [product(g, self.sizes) for g in groups])

    # -- the graph ---------------------------------------------------------------------------

    def value(self, node: Node, index: Index, *, root: bool = False) -> Value:
        """The entry of an array at an index."""
        index = tuple(e for e in index if not is_one(e.extent))
        key = (node.name, index, self.guards)
        for scope in self.scopes:
            if key in scope:
                return scope[key]
        if node.name in self.stored and not root:
            result = self._fetch(node, index)
        else:
            result = getattr(self, f"_{node.kind}")(node, index)
        self.scopes[result.level][key] = result
        return result

    def _fetch(self, node: Node, index: Index) -> Value:
        self.loaded[node.name] = node
        return self.load(node, self.offset(index))

    _input = _extern = _fetch

    def _reduce(self, node: Node, index: Index) -> Value:
        return self.reduce(node, index)

    def _scan(self, node: Node, index: Index) -> Value:
        return self.scan(node, index)

    def _full(self, node: Node, index: Index) -> Value:
        value = self.literal(node.inputs[0])
        return self.cast(value, kind_of(node.dtype))

    def _iota(self, node: Node, index: Index) -> Value:
        start, step = (self.literal(i) for i in node.inputs)
        place = self.offset(index)
        text = place.text if step.text == "1" else f"({place.text}) * {step.text}"
        text = text if start.text == "0" else f"{start.text} + {text}"
        value = Value(f"({text})", "int", place.level, place.row, place.space)
        return self.cast(value, kind_of(node.dtype))

    def _point(self, node: Node, index: Index) -> Value:
        values = []
        for source in node.inputs:
            if isinstance(source, Node):
                values.append(self.value(source, self.broadcast(source, node.shape, index)))
            else:
                values.append(self.literal(source))
        result = kind_of(node.dtype)
        if node.op in REAL:
            kinds = ["float"] * len(values)
        elif node.op in BOOLEAN:
            ranks = {"bool": 0, "int": 1, "float": 2}
            common = max((v.kind for v in values), key=lambda k: ranks[k])
            kinds = [common] * len(values)
        else:
            kinds = [result] * len(values)
        if node.op == "where":
            kinds[0] = "bool"
        if node.op in ("and", "or"):
            kinds = ["bool"] * len(values)
        values = [self.cast(v, k) for v, k in zip(values, kinds)]
        op = node.op
        if op in ("remainder", "fmod") and result == "int":
            op = "modulo"  # of an index, which is not negative
        text = self.operations[op].format(*(v.text for v in values))
        return self.named(text, result, *values)
