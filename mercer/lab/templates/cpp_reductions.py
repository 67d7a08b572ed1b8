"""Reductions and scans in C++: what an entry adds, and how parts of a row are put together."""

from __future__ import annotations

from typing import Any

from mercer.lab.templates.axis import Axis, Value
from mercer.lab.templates.extent import product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.layout import Reduction
from mercer.lab.templates.walk import kind_of
from mercer.lab.templates.writer import Pass, Writer, indented

TYPES = {"float": "T", "int": "int64_t", "bool": "bool"}
SUMS = {"float": "double", "int": "int64_t", "bool": "int64_t"}
START = {
    "max": "-std::numeric_limits<T>::infinity()",
    "min": "std::numeric_limits<T>::infinity()",
}
INTEGER = {"max": "INT64_MIN", "min": "INT64_MAX"}


class CppReductions(Writer):
    """The part of a function's text that adds up.

    A result is a variable, or a small array of them where neighbouring rows go through the columns
    together.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        levels = [r.level for r in self.layout.reductions.values()]
        asked = self.tiling.form == "split" and self.layout.cuttable
        self.parted = asked and max(levels) == 0 and self.lane is None
        self.parts: list[tuple[Node, dict[str, str]]] = []  # of cut rows: variables, their types
        self.walk = Pass(-1)
        self.plain = True  # whether the innermost loop may be a vector loop
        self.clauses: list[str] = []

    def joint(self, reduction: Reduction) -> bool:
        """Never: a second pass finds the row in the cache."""
        return False

    def _lanes(self) -> int:
        return max(8, self.tiling.rows)

    def _spread(self, value: Value) -> bool:
        """Whether a value is one for each of the rows that go together."""
        return self.lane is not None and value.level == 0 and value.row

    def _of_lane(self, name: str) -> str:
        return name if self.lane is None else f"{name}[l]"

    def _fresh(self) -> str:
        self.counter += 1
        return f"v{self.counter}"

    def _sum(self, node: Node) -> str:
        """The type in which a reduction is held: a row that is held whole is added in its own."""
        kind = kind_of(node.inputs[0].dtype)
        if node.op in ("sum", "moment"):
            return "T" if kind == "float" and self.tiling.form == "whole" else SUMS[kind]
        return TYPES["int" if kind == "bool" else kind]

    # -- along the columns -----------------------------------------------------------------------

    def accumulate(self, walk: Pass, reduction: Reduction, value: Value) -> Value:
        """Add an entry to a reduction."""
        node = reduction.node
        if node.op.startswith("arg"):
            return self._accumulate_place(walk, node, value)
        name, held = self._fresh(), self._sum(node)
        self._open(walk, node, {name: held}, [start(node.op, value.kind)])
        self.lines[1].append(merged(node.op, self._of_lane(name), value.text))
        sign = {"sum": "+", "moment": "+"}.get(node.op, node.op)
        self.clauses.append(f"reduction({sign}:{name})")
        return outcome(self._of_lane(name), held)

    def _accumulate_place(self, walk: Pass, node: Node, value: Value) -> Value:
        best, name = node.op[3:], self._fresh()
        states = {name: self._sum(node), f"{name}_i": "int64_t"}
        self._open(walk, node, states, [start(best, value.kind), "0"])
        top, place = (self._of_lane(n) for n in states)
        self.lines[1].append(replaced(best, top, value.text, place, self._linear(walk.space)))
        self.plain = False
        return outcome(place, "int64_t")

    def _open(self, walk: Pass, node: Node, states: dict[str, str], starts: list[str]) -> None:
        """Declare a reduction's variables; where rows are cut, keep what a part comes to."""
        size = "" if self.lane is None else f"[{self._lanes()}]"
        walk.before += [f"{held} {name}{size};" for name, held in states.items()]
        fill = " ".join(f"{self._of_lane(n)} = {s};" for n, s in zip(states, starts))
        spread = f"for (int64_t l = 0; l < n; ++l) {{ {fill} }}"
        walk.before.append(fill if self.lane is None else spread)
        if self.parted:
            walk.after += [f"{name}_s[p] = {name};" for name in states]
            self.parts.append((node, states))

    def _linear(self, space: int) -> str:
        """The number of a column."""
        text = "0"
        for j, axis in enumerate(self.spaces[space]):
            text = f"({text} * {self.extent(axis.extent)} + c{space}_{j})" if j else f"c{space}_0"
        return text

    def scan(self, node: Node, index: Any) -> Value:
        """Return the entry of a scan."""
        value = self.cast(self.value(node.inputs[0], index), "float")
        name = self._fresh()
        held = "double" if node.op in ("sum", "logsumexp") else "T"
        first = start({"logsumexp": "max"}.get(node.op, node.op), "float")
        if self.lane is not None:
            self.walk.before += [
                f"{held} {name}[{self._lanes()}];",
                f"for (int64_t l = 0; l < n; ++l) {name}[l] = {first};",
            ]
        else:
            self.walk.before.append(f"{held} {name} = {first};")
            self.plain = False
        name = self._of_lane(name)
        self.lines[1].append(merged(node.op, name, value.text))
        return self.named(f"T({name})", "float", Value(name, "float", 1, True, self.walk.space))

    # -- within an entry -------------------------------------------------------------------------

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
        """Loop over a short reduction."""
        count = self.extent(product([a.extent for a in axes], self.sizes))
        kind = TYPES[value.kind]
        lines = [
            f"{kind} {name} = {start(op, value.kind)};",
            f"for (int64_t i{level} = 0; i{level} < {count}; ++i{level}) {{",
            *indented([*body, merged(op, name, value.text)]),
            "}",
        ]
        if not self._spread(result):
            return lines, name
        head = "for (int64_t l = 0; l < n; ++l) {"
        lines = [head, *indented([*lines, f"{name}_l[l] = {name};"]), "}"]
        return [f"{kind} {name}_l[{self._lanes()}];", *lines], f"{name}_l[l]"

    # -- after the programs ----------------------------------------------------------------------

    def finished(self) -> list[str]:
        """The statements that put the parts of a row together and store what comes of them."""
        self.lines, self.scopes = [[], []], [{}, {}]
        lines: list[str] = []
        for node, states in self.parts:
            lines += self._gathered(node, list(states), list(states.values()))
            name, held = list(states.items())[-1]
            self.results[node.name] = outcome(name, held)
        for node, index, _ in self.layout.roots:
            self._store(node, index, 0)
        return [*lines, *self.lines[0]]

    def _gathered(self, node: Node, names: list[str], held: list[str]) -> list[str]:
        parts = [f"{name}_s[r * parts + q]" for name in names]
        if node.op.startswith("arg"):
            merge = replaced(node.op[3:], names[0], parts[0], names[1], parts[1])
        else:
            merge = merged(node.op, names[0], parts[0])
        lines = [f"{kind} {name} = {name}_s[r * parts];" for name, kind in zip(names, held)]
        return [*lines, "for (int64_t q = 1; q < parts; ++q) {", *indented([merge]), "}"]


def start(op: str, kind: str) -> str:
    """What a reduction of nothing is."""
    if op in ("sum", "moment"):
        return "0"
    return (INTEGER if kind == "int" else START)[op]


def merged(op: str, name: str, value: str) -> str:
    """The statement that adds a value."""
    if op in ("sum", "moment"):
        return f"{name} += {value};"
    if op == "logsumexp":
        return f"{name} = log_add({name}, {value});"
    return f"{name} = {value} {'>' if op == 'max' else '<'} {name} ? {value} : {name};"


def replaced(best: str, top: str, value: str, place: str, found: str) -> str:
    """The statement that takes a value that is better, and its place."""
    sign = ">" if best == "max" else "<"
    return f"if ({value} {sign} {top}) {{ {top} = {value}; {place} = {found}; }}"


def outcome(name: str, held: str) -> Value:
    """A reduction's result by the type in which it is held."""
    kind = "int" if held == "int64_t" else "float"
    return Value(f"T({name})" if held == "double" else name, kind, 0, True)
