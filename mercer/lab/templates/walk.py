"""The text of an array's entry at an index, following the graph back to what memory holds."""

from __future__ import annotations

import torch

from mercer.lab.templates.axis import Axis, Index, Value
from mercer.lab.templates.dialect import BOOLEAN, REAL
from mercer.lab.templates.extent import is_one
from mercer.lab.templates.graph import Node
from mercer.lab.templates.indexing import Indexing

KINDS = ("bool", "int", "float")  # each converts to the next


def kind_of(dtype: torch.dtype) -> str:
    """What a kernel computes with for arrays of the dtype."""
    if dtype == torch.bool:
        return "bool"
    return "float" if dtype.is_floating_point else "int"


class Walk(Indexing):
    """Writes the statements that an entry needs, each once.

    A subclass says how a language writes them (`Writer`) and what happens at reductions and scans.

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
        super().__init__(sizes, splits)
        self.stored = stored
        self.guards: tuple[Value, ...] = ()
        self.loaded: dict[str, Node] = {}

    # -- what a language decides -----------------------------------------------------------------

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
        kinds = operand_kinds(node.op, [v.kind for v in values], result)
        values = [self.cast(v, k) for v, k in zip(values, kinds)]
        op = node.op
        if op in ("remainder", "fmod") and result == "int":
            op = "modulo"  # of an index, which is not negative
        text = self.operations[op].format(*(v.text for v in values))
        return self.named(text, result, *values)


def operand_kinds(op: str, kinds: list[str], result: str) -> list[str]:
    """What an operation's operands are converted to."""
    if op in ("and", "or"):
        common = "bool"
    elif op in REAL:
        common = "float"
    elif op in BOOLEAN:
        common = max(kinds, key=KINDS.index)
    else:
        common = result
    return ["bool" if op == "where" and k == 0 else common for k in range(len(kinds))]
