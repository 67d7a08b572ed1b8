"""A kernel in C++: rows among OpenMP threads, the innermost loop in vector instructions."""

from __future__ import annotations

import math
from typing import Any

from mercer.lab.templates.axis import Axis, Value
from mercer.lab.templates.dialect import CPP
from mercer.lab.templates.extent import product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.layout import Reduction
from mercer.lab.templates.walk import kind_of
from mercer.lab.templates.writer import Kernel, Pass, Writer, indented

TYPES = {"float": "T", "int": "int64_t", "bool": "bool"}
SUMS = {"float": "double", "int": "int64_t", "bool": "int64_t"}
START = {
    "max": "-std::numeric_limits<T>::infinity()",
    "min": "std::numeric_limits<T>::infinity()",
}
INTEGER = {"max": "INT64_MIN", "min": "INT64_MAX"}


class CppWriter(Writer):
    """Writes `extern "C"` functions.

    Where memory is contiguous along a row axis, `lanes` neighbouring rows go through the columns
    together and the innermost loop runs over them; their results are small arrays.
    """

    operations = CPP

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        levels = [r.level for r in self.layout.reductions.values()]
        asked = self.tiling.form == "split" and self.layout.cuttable
        self.parted = asked and max(levels) == 0 and self.lane is None
        self.parts: list[tuple[Node, list[str]]] = []
        self.plain = True  # whether the innermost loop may be a vector loop
        self.clauses: list[str] = []

    def joint(self, reduction: Reduction) -> bool:
        """Never: a second pass finds the row in the cache."""
        return False

    def kernel(self, name: str) -> Kernel:
        """Return the text of the function."""
        body = self._programs(self.body())
        written = self.layout.written
        arrays = [*self.loaded, *(node.name for node in written)]
        types = {n.name: self._array(n) for n in [*self.loaded.values(), *written]}
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

    def _array(self, node: Node) -> str:
        return {"float": "T", "int": "int64_t", "bool": "bool"}[kind_of(node.dtype)]

    def _programs(self, body: list[str]) -> list[str]:
        rows = self.extent(self.row_extent())
        lines = []
        if self.lane is not None:
            length = self.extent(self.lane.extent)
            lanes = f"(({length} + {self._lanes()} - 1) / {self._lanes()})"
            outer = product([a.extent for a in self.rows if a != self.lane], self.sizes)
            count = f"{self.extent(outer)} * {lanes}"
            start = [
                f"const int64_t o = p / {lanes};",
                f"const int64_t l0 = p % {lanes} * {self._lanes()};",
                f"const int64_t n = std::min<int64_t>({self._lanes()}, {length} - l0);",
            ]
        elif self.parted or not self.layout.passes:
            first = self.extent(self.spaces[0][0].extent) if self.spaces[0] else "1"
            most = self.tiling.parts if self.parted else f"({first} + 4095) / 4096"
            lines = [
                f"const int64_t parts = std::max<int64_t>(1, std::min<int64_t>({most}, {first}));",
                f"const int64_t chunk = ({first} + parts - 1) / parts;",
            ]
            count = f"{rows} * parts"
            start = [
                "const int64_t r = p / parts;",
                "const int64_t begin = p % parts * chunk;",
                f"const int64_t stop = std::min<int64_t>({first}, begin + chunk);",
            ]
        else:
            count, start = rows, ["const int64_t r = p;"]
        if self.parted:
            for node, names in self.parts:
                for name, kind in zip(names, ("value", "place")):
                    held = "int64_t" if kind == "place" else self._sum(node)
                    lines.append(f"std::vector<{held}> {name}_s({rows} * parts);")
        pragma = f"#pragma omp parallel for num_threads(threads) if ({count} > 1 && threads > 1)"
        lines += [pragma, f"for (int64_t p = 0; p < {count}; ++p) {{", *indented([*start, *body])]
        lines.append("}")
        if self.parted:
            lines += [f"for (int64_t r = 0; r < {rows}; ++r) {{", *indented(self._finished()), "}"]
        return lines

    def _lanes(self) -> int:
        return max(8, self.tiling.rows)

    def _sum(self, node: Node) -> str:
        kind = kind_of(node.inputs[0].dtype)
        return (
            SUMS[kind] if node.op in ("sum", "moment") else TYPES["int" if kind == "bool" else kind]
        )

    def _finished(self) -> list[str]:
        self.lines, self.scopes = [[], []], [{}, {}]
        lines: list[str] = []
        for node, (name, *place) in self.parts:
            held = self._sum(node)
            lines += [f"{held} {name} = {name}_s[r * parts];"]
            lines += [f"int64_t {place[0]} = {place[0]}_s[r * parts];"] if place else []
            at = f"{name}_s[r * parts + q]"
            merge = [f"{self._merged(node.op, name, at)}"]
            if place:
                sign = ">" if node.op == "argmax" else "<"
                merge = [
                    f"if ({at} {sign} {name}) {{ {name} = {at};"
                    f" {place[0]} = {place[0]}_s[r * parts + q]; }}"
                ]
            lines += ["for (int64_t q = 1; q < parts; ++q) {", *indented(merge), "}"]
            text = place[0] if place else f"T({name})" if held == "double" else name
            kind = "int" if place or held == "int64_t" else "float"
            self.results[node.name] = Value(text, kind, 0, True)
        for node, index, _ in self.layout.roots:
            self._store(node, index, 0)
        return [*lines, *self.lines[0]]

    def _merged(self, op: str, name: str, value: str) -> str:
        if op in ("sum", "moment"):
            return f"{name} += {value};"
        return f"{name} = {value} {'>' if op == 'max' else '<'} {name} ? {value} : {name};"

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

    def _divide(self, term: Any, inner: Any) -> Any:
        quotient, rest = super()._divide(term, inner)
        return quotient, rest

    def assign(self, name: str, value: Value) -> tuple[list[str], str]:
        """Give a name to a value."""
        text, kind = value.text.replace("//", "/"), TYPES[value.kind]
        if self._spread(value):
            loop = f"for (int64_t l = 0; l < n; ++l) {name}[l] = {text};"
            return [f"{kind} {name}[{self._lanes()}];", loop], f"{name}[l]"
        return [f"const {kind} {name} = {text};"], name

    def _spread(self, value: Value) -> bool:
        return self.lane is not None and value.level == 0 and value.row

    def cast(self, value: Value, kind: str) -> Value:
        """Convert a value."""
        if value.kind == kind:
            return value
        form = {"float": "T({0})", "int": "int64_t({0})", "bool": "({0} != 0)"}[kind]
        text = form.format(value.text)
        return Value(text, kind, value.level, value.row, value.space, value.literal)

    def load(self, node: Node, offset: Value) -> Value:
        """Read an entry."""
        kind = kind_of(node.dtype)
        text = f"{node.name}_p[{offset.text}]"
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
        self.walk, self.plain, self.clauses = Pass(space), True, []
        return self.walk

    def end(self, walk: Pass) -> None:
        """Finish a walk along the columns."""
        self.flush()
        body, self.lines[1] = self.lines[1], []
        k = walk.space
        axes = self.spaces[k]
        ranged = self.lane is None and (self.parted or not self.layout.passes)
        vector = f"#pragma omp simd{''.join(f' {c}' for c in self.clauses)}"
        lines = body
        if self.lane is not None:
            lines = ["#pragma omp simd"] if self.plain else []
            lines += ["for (int64_t l = 0; l < n; ++l) {", *indented(body), "}"]
        for j in reversed(range(len(axes))):
            begin, stop = "0", self.extent(axes[j].extent)
            if ranged and j == 0:
                begin, stop = "begin", "stop"
            name = f"c{k}_{j}"
            head = f"for (int64_t {name} = {begin}; {name} < {stop}; ++{name}) {{"
            if self.layout.backwards:
                head = f"for (int64_t {name} = {stop} - 1; {name} >= {begin}; --{name}) {{"
            lines = [head, *indented(lines), "}"]
            if j == len(axes) - 1 and self.lane is None and self.plain:
                lines = [vector, *lines]
        if not axes and ranged:
            lines = ["{", *indented(body), "}"]
        self.out += [*walk.before, *lines, *walk.after]

    def _linear(self, space: int) -> str:
        text = "0"
        for j, axis in enumerate(self.spaces[space]):
            text = f"({text} * {self.extent(axis.extent)} + c{space}_{j})" if j else f"c{space}_0"
        return text

    def accumulate(self, walk: Pass, reduction: Reduction, value: Value) -> Value:
        """Add an entry to a reduction."""
        node = reduction.node
        self.counter += 1
        name, kind, held = f"v{self.counter}", value.kind, self._sum(node)
        place = node.op.startswith("arg")
        op = node.op[3:] if place else node.op
        start = "0" if op in ("sum", "moment") else (INTEGER if kind == "int" else START)[op]
        spread = self.lane is not None
        at = f"{name}[l]" if spread else name
        size = f"[{self._lanes()}]" if spread else ""
        walk.before.append(f"{held} {name}{size};")
        fill = f"{at} = {start};"
        names = [name]
        if place:
            names.append(f"{name}_i")
            found = f"{name}_i[l]" if spread else f"{name}_i"
            walk.before.append(f"int64_t {name}_i{size};")
            fill += f" {found} = 0;"
            sign = ">" if op == "max" else "<"
            linear = self._linear(walk.space)
            self.lines[1].append(
                f"if ({value.text} {sign} {at}) {{ {at} = {value.text}; {found} = {linear}; }}"
            )
            self.plain = False
        else:
            self.lines[1].append(self._merged(op, at, value.text))
            sign = {"sum": "+", "moment": "+"}.get(op, op)
            self.clauses.append(f"reduction({sign}:{name})")
        walk.before.append(f"for (int64_t l = 0; l < n; ++l) {{ {fill} }}" if spread else fill)
        if self.parted:
            walk.after += [f"{n}_s[p] = {n};" for n in names]
            self.parts.append((node, names))
        if place:
            return Value(found, "int", 0, True)
        text = f"T({at})" if held == "double" else at
        return Value(text, "int" if held == "int64_t" else "float", 0, True)

    def scan(self, node: Node, index: Any) -> Value:
        """Return the entry of a scan."""
        value = self.cast(self.value(node.inputs[0], index), "float")
        self.counter += 1
        name, k = f"v{self.counter}", self.walk.space
        held = "double" if node.op in ("sum", "logsumexp") else "T"
        start = "0" if node.op == "sum" else START["min" if node.op == "min" else "max"]
        if self.lane is not None:
            self.walk.before += [
                f"{held} {name}[{self._lanes()}];",
                f"for (int64_t l = 0; l < n; ++l) {name}[l] = {start};",
            ]
            name = f"{name}[l]"
        else:
            self.walk.before.append(f"{held} {name} = {start};")
            self.plain = False
        merge = f"{name} = log_add({name}, {value.text});"
        if node.op != "logsumexp":
            merge = self._merged(node.op, name, value.text)
        self.lines[1].append(merge)
        return self.named(f"T({name})", "float", Value(name, "float", 1, True, k))

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
        start = "0" if op == "sum" else (INTEGER if value.kind == "int" else START)[op]
        loop = f"for (int64_t i{level} = 0; i{level} < {count}; ++i{level}) {{"
        kind = TYPES[value.kind]
        inner = [loop, *indented([*body, self._merged(op, name, value.text)]), "}"]
        if self._spread(result):
            inner = [f"{kind} {name} = {start};", *inner, f"{name}_l[l] = {name};"]
            head = "for (int64_t l = 0; l < n; ++l) {"
            lines = [f"{kind} {name}_l[{self._lanes()}];", head, *indented(inner), "}"]
            return lines, f"{name}_l[l]"
        return [f"{kind} {name} = {start};", *inner], name
