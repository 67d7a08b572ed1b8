"""A kernel in Triton: tiles of rows by columns."""

from __future__ import annotations

import math
from typing import Any

from mercer.lab.templates.axis import Axis, Value
from mercer.lab.templates.dialect import TRITON
from mercer.lab.templates.extent import product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.triton_reductions import INTEGER, MERGE, START, TritonReductions
from mercer.lab.templates.walk import kind_of
from mercer.lab.templates.writer import Kernel, Pass, indented


class TritonWriter(TritonReductions):
    """Writes `@triton.jit` functions."""

    operations = TRITON

    def kernel(self, name: str) -> Kernel:
        """Return the whole text, with the kernel that finishes a cut reduction."""
        body = self.body()
        split = self.parted
        written = [] if split else self.layout.written
        finish = None
        if split:
            from mercer.lab.templates.finish import Finish

            finish = Finish(self).kernel(f"{name}_finish")
        arrays = [*self.loaded, *(n.name for n in written)]
        pointers = [f"{a}_p" for a in arrays]
        pointers += [f"s{k}_p" for k in range(len(self.states))] if split else []
        source = self.function(name, pointers, self._head(split), body)
        return Kernel(
            name, source, arrays, written, self.states if split else [], self.extents,
            self.numbers, self.rows, self.spaces, self.lane, self.layout.passes, self.tiling,
            finish,
        )  # fmt: skip

    def function(self, name: str, pointers: list[str], head: list[str], body: list[str]) -> str:
        """The text of a jitted function."""
        constants = [*self.extents.values(), *self.numbers.values(), "ACC", "ROWS"]
        constants += [f"BLOCK{k}" for k in range(len(self.spaces))]
        constants += ["PARTS", "TILES", "STAGES"]
        signature = ", ".join([*pointers, *(f"{c}: tl.constexpr" for c in constants)])
        if self.tiling.programs:
            over = "tl.program_id(0), TILES, tl.num_programs(0)"
            loop = f"for tile in tl.range({over}, num_stages=STAGES):"
            body = [loop, *indented([*head, *body])]
        else:
            body = ["tile = tl.program_id(0)", *head, *body]
        return "\n".join(["@triton.jit", f"def {name}({signature}):", *indented(body)])

    def _head(self, split: bool) -> list[str]:
        lines = []
        parted = split or not self.layout.passes
        group = "tile"
        if parted:
            lines += ["part = tile % PARTS", "group = tile // PARTS"]
            group = "group"
        if self.lane is not None:
            length = self.extent(self.lane.extent)
            lines += [
                f"lanes = ({length} + ROWS - 1) // ROWS",
                f"o = {group} // lanes",
                f"l = ({group} % lanes) * ROWS + tl.arange(0, ROWS)[:, None]",
                f"rm = l < {length}",
            ]
        elif self.rows:
            lines += [
                f"r = {group} * ROWS + tl.arange(0, ROWS)[:, None]",
                f"rm = r < {self.extent(self.row_extent())}",
            ]
        if self.largest >= 2**31:
            lines += ["o = o.to(tl.int64)"] if self.lane is not None else []
            lines += ["r = r.to(tl.int64)"] if self.rows and self.lane is None else []
        if not self.layout.passes:
            lines += self._columns(0, "part * BLOCK0")
        elif self.whole:
            for k in range(len(self.spaces)):
                lines += self._columns(k, "0")
        return lines

    def _columns(self, space: int, start: str) -> list[str]:
        wide = ".to(tl.int64)" if self.largest >= 2**31 else ""
        first = f"{start} + " if start != "0" else ""
        here = f"tl.arange(0, BLOCK{space})[None, :]"
        if not self.tiling.vectors:  # the compiler takes the claim for all that it may know
            here = f"tl.multiple_of({here}, (1, 1))"
        return [
            f"c{space} = ({first}{here}){wide}",
            f"m{space} = c{space} < {self.extent(self.column_extent(space))}",
        ]

    # -- entries -----------------------------------------------------------------------------

    def number(self, value: Any) -> str:
        """Write a constant."""
        if isinstance(value, float) and not math.isfinite(value):
            return f'float("{value}")'
        return repr(value)

    def axis(self, axis: Axis) -> Value:
        """Return the text of a loop variable."""
        if self.lane is not None and axis == self.lane:
            return Value("l", "int", 0, True)
        if axis in self.rows:
            if self.lane is not None:
                outer = [a for a in self.rows if a != self.lane]
                return Value(f"({self.digit('o', outer, axis)})", "int")
            if len(self.rows) == 1:
                return Value("r", "int", 0, True)
            text = self.digit("r", self.rows, axis)
            return self.named(text, "int", Value("r", "int", 0, True))
        for k, space in enumerate(self.spaces):
            if axis in space:
                whole = Value(f"c{k}", "int", 1, False, k)
                if len(space) == 1:
                    return whole
                return self.named(self.digit(whole.text, space, axis), "int", whole)
        counter, axes = self.counted(axis)
        text = self.digit(counter, axes, axis)
        return Value(f"({text})", "int", self.level_of(axis))

    def assign(self, name: str, value: Value) -> tuple[list[str], str]:
        """Give a name to a value."""
        return [f"{name} = {value.text}"], name

    def cast(self, value: Value, kind: str) -> Value:
        """Convert a value."""
        if value.kind == kind:
            return value
        if value.literal:
            text = f"({value.text} != 0)" if kind == "bool" else value.text
            if kind == "float" and value.kind == "int":
                text = f"({value.text} * 1.0)"
            return Value(text, kind, value.level, value.row, value.space, True)
        form = {"float": "{0}.to(ACC)", "int": "{0}.to(tl.int64)", "bool": "({0} != 0)"}[kind]
        return self.named(form.format(value.text), kind, value)

    def load(self, node: Node, offset: Value) -> Value:
        """Read an entry."""
        masks = ["rm"] if offset.row else []
        masks += [f"m{offset.space}"] if offset.space >= 0 else []
        parts = [offset]
        for guard in self.guards:
            if (guard.row <= offset.row) and guard.space in (-1, offset.space):
                masks.append(guard.text)
                parts.append(guard)
        mask = f", mask={' & '.join(masks)}, other=0" if masks else ""
        full = (offset.row and offset.space >= 0) or not self.rows
        keep = self.tiling.keep if full else ""
        if keep == "last" and (self.final or self.whole):
            keep = "first"
        policy = f', eviction_policy="evict_{keep}"' if keep and masks else ""
        cast = ".to(ACC)" if node.dtype.is_floating_point else ""
        text = f"tl.load({node.name}_p + ({offset.text}){mask}{policy}){cast}"
        return self.named(text, kind_of(node.dtype), *parts)

    def store(self, node: Node, offset: Value, value: Value) -> list[str]:
        """Write an entry."""
        masks = ["rm"] if offset.row else []
        masks += [f"m{offset.space}"] if offset.space >= 0 else []
        shape = [f"{'ROWS' if offset.row else 1}"]
        shape.append(f"BLOCK{offset.space}" if offset.space >= 0 else "1")
        pointer = f"{node.name}_p + ({offset.text})"
        if not masks:
            pointer = f"{node.name}_p + tl.full([1, 1], 0, tl.int32) + ({offset.text})"
        text = value.text
        if value.literal:
            text = f"tl.full([{', '.join(shape)}], {text}, {node.name}_p.dtype.element_ty)"
        policy = ', eviction_policy="evict_first"' if self.tiling.keep == "first" else ""
        mask = f", mask={' & '.join(masks)}" if masks else ""
        return [f"tl.store({pointer}, {text}{mask}{policy})"]

    def neighbours(self, place: Value) -> Value:
        """Tell the compiler that most neighbours along the columns stand side by side.

        Threads then go along the columns, not the rows. No two entries are read by one instruction,
        as places that are multiples of nothing are no vector's: the claim may be wrong here and
        there, where a circle closes.
        """
        if place.space < 0:
            return place
        beside = f"tl.max_contiguous({place.text}, (1, BLOCK{place.space}))"
        return self.named(f"tl.multiple_of({beside}, (1, 1))", "int", place)

    # -- passes ------------------------------------------------------------------------------

    def begin(self, space: int) -> Pass:
        """Start a walk along the columns."""
        if not self.whole:
            self.scopes[1] = {}
        self.walk = Pass(space)
        return self.walk

    def end(self, walk: Pass) -> None:
        """Finish a walk along the columns."""
        self.flush()
        body, self.lines[1] = self.lines[1], []
        self.out += walk.before
        if self.whole:
            self.out += body
        else:
            k = walk.space
            length = self.extent(self.column_extent(k))
            begin, stop = self._begin(k), length
            if self.parted:
                stop = f"tl.minimum({begin} + {self._chunk(k)}, {length})"
            stages = "" if self.tiling.programs else ", num_stages=STAGES"
            first = []
            if self.layout.backwards:
                first = [f"start{k} = ({length} - 1) // BLOCK{k} * BLOCK{k} - start{k}"]
            self.out.append(f"for start{k} in tl.range({begin}, {stop}, BLOCK{k}{stages}):")
            self.out += indented([*first, *self._columns(k, f"start{k}"), *body])
        self.out += walk.after

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
        count = product([a.extent for a in axes], self.sizes)
        shape = (
            f"[{'ROWS' if result.row else 1}, {f'BLOCK{result.space}' if result.space >= 0 else 1}]"
        )
        start = START[op] if value.kind == "float" else INTEGER.get(op, "0")
        kind = "ACC" if value.kind == "float" else "tl.int64"
        static = len(set(count)) == 1 and count[0] <= 16
        loop = f"for i{level} in {'tl.static_range' if static else 'range'}({self.extent(count)}):"
        merged = f"{name} = {MERGE[op].format(name, value.text)}"
        lines = [f"{name} = tl.full({shape}, {start}, {kind})", loop]
        return [*lines, *indented([*body, merged])], name
