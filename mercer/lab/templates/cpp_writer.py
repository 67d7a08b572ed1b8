"""A kernel in C++: rows among OpenMP threads, the innermost loop in vector instructions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from mercer.lab.templates.axis import Axis, Value
from mercer.lab.templates.cpp_reductions import START, TYPES
from mercer.lab.templates.cpp_rows import CppRows
from mercer.lab.templates.dialect import CPP
from mercer.lab.templates.extent import product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.walk import kind_of
from mercer.lab.templates.writer import Kernel, Pass, indented

IN_MEMORY = TYPES | {"bool": "uint8_t"}  # GCC vectorises no loop that reads a bool


class CppWriter(CppRows):
    """Writes `extern "C"` functions.

    Where memory is contiguous along a row axis, `lanes` neighbouring rows go through the columns
    together and the innermost loop runs over them; their results are small arrays.
    """

    operations = CPP

    def kernel(self, name: str) -> Kernel:
        """Return the text of the function."""
        if self.tiling.form == "whole":
            first = CppWriter(self.layout, replace(self.tiling, form="loop"), self.stored)
            first.body()
            self.wanted = first.repeated
        body = self.body()
        body = self._programs([*self.buffers(), *body])
        written = self.layout.written
        arrays = [*self.loaded, *(node.name for node in written)]
        types = {n.name: IN_MEMORY[kind_of(n.dtype)] for n in [*self.loaded.values(), *written]}
        outputs = {node.name for node in written}
        signature = [
            f"{'' if a in outputs else 'const '}{types[a]}* __restrict {a}_p" for a in arrays
        ]
        signature += [f"int64_t {n}" for n in self.extents.values()]
        signature += [f"double {n}" for n in self.numbers.values()]
        signature += ["int threads"]
        source = "\n".join(
            [f'extern "C" void {name}({", ".join(signature)}) {{', *indented(body), "}"]
        )
        return Kernel(
            name, source, arrays, written, [], self.extents, self.numbers, self.rows, self.spaces,
            self.lane, self.layout.passes, self.tiling,
        )  # fmt: skip

    # -- programs ----------------------------------------------------------------------------

    def _programs(self, body: list[str]) -> list[str]:
        """The loop over programs, which threads share."""
        rows = self.extent(self.row_extent())
        lines, count, head = self._grid(rows)
        for _, states in self.parts:
            lines += [f"std::vector<{t}> {n}_s({rows} * parts);" for n, t in states.items()]
        lines += [
            f"#pragma omp parallel for num_threads(threads) if ({count} > 1 && threads > 1)",
            f"for (int64_t p = 0; p < {count}; ++p) {{",
            *indented([*head, *body]),
            "}",
        ]
        if self.parted:
            lines += [f"for (int64_t r = 0; r < {rows}; ++r) {{", *indented(self.finished()), "}"]
        return lines

    def _grid(self, rows: str) -> tuple[list[str], str, list[str]]:
        """What is said before the loop, how many programs there are, what each says first."""
        if self.lane is not None:
            length = self.extent(self.lane.extent)
            lanes = f"(({length} + {self._lanes()} - 1) / {self._lanes()})"
            outer = product([a.extent for a in self.rows if a != self.lane], self.sizes)
            head = [
                f"const int64_t o = p / {lanes};",
                f"const int64_t l0 = p % {lanes} * {self._lanes()};",
                f"const int64_t n = std::min<int64_t>({self._lanes()}, {length} - l0);",
            ]
            return [], f"{self.extent(outer)} * {lanes}", head
        if not self._ranged():
            return [], rows, ["const int64_t r = p;"]
        first = self.extent(self.spaces[0][0].extent) if self.spaces[0] else "1"
        most = self.tiling.parts if self.parted else f"({first} + 4095) / 4096"
        lines = [
            f"const int64_t parts = std::max<int64_t>(1, std::min<int64_t>({most}, {first}));",
            f"const int64_t chunk = ({first} + parts - 1) / parts;",
        ]
        head = [
            "const int64_t r = p / parts;",
            "const int64_t begin = p % parts * chunk;",
            f"const int64_t stop = std::min<int64_t>({first}, begin + chunk);",
        ]
        return lines, f"{rows} * parts", head

    def _ranged(self) -> bool:
        """Whether a program runs over a part of the first column axis only."""
        return self.lane is None and (self.parted or not self.layout.passes)

    # -- entries -----------------------------------------------------------------------------

    def number(self, value: Any) -> str:
        """Write a constant."""
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float):
            if math.isnan(value):
                return "std::numeric_limits<T>::quiet_NaN()"
            if math.isinf(value):
                return START["min" if value > 0 else "max"]
            return f"T({value!r})"
        return f"int64_t({value})" if abs(value) >= 2**31 else str(value)

    def axis(self, axis: Axis) -> Value:
        """Return the text of a loop variable."""
        if self.lane is not None and axis == self.lane:
            return Value("(l0 + l)", "int", 0, True)
        if axis in self.rows:
            if self.lane is not None:
                outer = [a for a in self.rows if a != self.lane]
                return self.named(self._digit("o", outer, axis), "int")
            return self.named(self._digit("r", self.rows, axis), "int", Value("r", row=True))
        for k, space in enumerate(self.spaces):
            if axis in space:
                return Value(f"c{k}_{space.index(axis)}", "int", 1, False, k)
        counter, axes = self.counted(axis)
        return Value(f"({self._digit(counter, axes, axis)})", "int", self.level_of(axis))

    def _digit(self, text: str, axes: list[Axis], axis: Axis) -> str:
        return self.digit(text, axes, axis).replace("//", "/")

    def assign(self, name: str, value: Value) -> tuple[list[str], str]:
        """Give a name to a value."""
        text, kind = value.text.replace("//", "/"), TYPES[value.kind]
        if self._spread(value):
            loop = f"for (int64_t l = 0; l < n; ++l) {name}[l] = {text};"
            return [f"{kind} {name}[{self._lanes()}];", loop], f"{name}[l]"
        return [f"const {kind} {name} = {text};"], name

    def cast(self, value: Value, kind: str) -> Value:
        """Convert a value."""
        if value.kind == kind:
            return value
        form = {"float": "T({0})", "int": "int64_t({0})", "bool": "({0} != 0)"}[kind]
        return replace(value, text=form.format(value.text), kind=kind)

    def load(self, node: Node, offset: Value) -> Value:
        """Read an entry."""
        kind = kind_of(node.dtype)
        text = f"{node.name}_p[{offset.text}]"
        text = f"({text} != 0)" if kind == "bool" else text
        parts = [offset]
        if self.guards:
            parts += self.guards
            text = f"({' && '.join(g.text for g in self.guards)} ? {text} : {TYPES[kind]}(0))"
        return self.named(text, kind, *parts)

    def store(self, node: Node, offset: Value, value: Value) -> list[str]:
        """Write an entry."""
        line = f"{node.name}_p[{offset.text}] = {value.text};"
        if self.lane is not None and offset.space < 0:
            return [f"for (int64_t l = 0; l < n; ++l) {line}"]
        return [line]

    # -- passes ------------------------------------------------------------------------------

    def begin(self, space: int) -> Pass:
        """Start a walk along the columns."""
        self.scopes[1] = {}
        self.begun += 1
        self.walk, self.plain, self.clauses = Pass(space), True, []
        return self.walk

    def end(self, walk: Pass) -> None:
        """Finish a walk along the columns."""
        self.flush()
        body, self.lines[1] = self.lines[1], []
        k = walk.space
        axes = self.spaces[k]
        vector = f"#pragma omp simd{''.join(f' {c}' for c in self.clauses)}"
        lines = body
        if self.lane is not None:
            lines = ["#pragma omp simd"] if self.plain else []
            lines += ["for (int64_t l = 0; l < n; ++l) {", *indented(body), "}"]
        for j in reversed(range(len(axes))):
            begin, stop = "0", self.extent(axes[j].extent)
            if self._ranged() and j == 0:
                begin, stop = "begin", "stop"
            name = f"c{k}_{j}"
            head = f"for (int64_t {name} = {begin}; {name} < {stop}; ++{name}) {{"
            if self.layout.backwards:
                head = f"for (int64_t {name} = {stop} - 1; {name} >= {begin}; --{name}) {{"
            lines = [head, *indented(lines), "}"]
            if j == len(axes) - 1 and self.lane is None and self.plain:
                lines = [vector, *lines]
        if not axes and self._ranged():
            lines = ["{", *indented(body), "}"]
        self.out += [*walk.before, *lines, *walk.after]
