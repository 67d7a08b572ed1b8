"""Costly entries of a row, kept from the pass that computes them to those that need them again."""

from __future__ import annotations

from typing import Any

from mercer.lab.templates.axis import Index, Value
from mercer.lab.templates.cpp_reductions import CppReductions
from mercer.lab.templates.graph import Node
from mercer.lab.templates.tables import COSTLY
from mercer.lab.templates.walk import kind_of

Entry = tuple[str, Index, int]  # of which array, at which index, along which columns


class CppRows(CppReductions):
    """The part of a function's text that may hold a row in memory of the thread's own.

    `wanted` are the entries to keep, `repeated` those that were computed in more than one pass.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.wanted: set[Entry] = set()
        self.begun = 0  # passes so far
        self._computed: dict[Entry, set[int]] = {}  # in which passes
        self._kept: dict[Entry, tuple[str, int]] = {}  # where, and since which pass

    @property
    def repeated(self) -> set[Entry]:
        """What was computed in more than one pass."""
        return {entry for entry, passes in self._computed.items() if len(passes) > 1}

    def buffers(self) -> list[str]:
        """The declarations of what is kept, at the head of a row."""
        lines = []
        for (_, _, space), (name, _) in self._kept.items():
            count = self.extent(self.column_extent(space))
            lines += [
                f"static thread_local std::vector<T> {name}_v;",
                f"{name}_v.resize({count});",
                f"T* __restrict {name} = {name}_v.data();",
            ]
        return lines

    def _point(self, node: Node, index: Index) -> Value:
        space = self.walk.space
        entry = (node.name, index, space)
        if node.op not in COSTLY or space < 0 or self.guards or self.lane is not None:
            return super()._point(node, index)
        if entry in self._kept and self._kept[entry][1] < self.begun:
            text = f"{self._kept[entry][0]}[{self._linear(space)}]"
            return self.named(text, "float", Value("", "float", 1, True, space))
        value = super()._point(node, index)
        if value.level != 1 or kind_of(node.dtype) != "float":
            return value
        self._computed.setdefault(entry, set()).add(self.begun)
        if entry in self.wanted and entry not in self._kept:
            name = f"{node.name}_h{len(self._kept)}"
            self._kept[entry] = name, self.begun
            self.lines[1].append(f"{name}[{self._linear(space)}] = {value.text};")
        return value
