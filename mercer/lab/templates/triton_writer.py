"""A kernel in Triton: tiles of rows by columns."""

from __future__ import annotations

import math
from typing import Any

from mercer.lab.templates.axis import Axis, Value
from mercer.lab.templates.dialect import TRITON
from mercer.lab.templates.extent import product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.layout import Reduction
from mercer.lab.templates.walk import kind_of
from mercer.lab.templates.writer import Kernel, Pass, Writer, indented

LAST = "2147483647"
LOWEST = "-3.0e38"  # finite, so that differences of two of them are not NaN
START = {"sum": "0", "moment": "0", "max": 'float("-inf")', "min": 'float("inf")'}
MERGE = {"sum": "{0} + {1}", "max": "tl.maximum({0}, {1})", "min": "tl.minimum({0}, {1})"}
FOLD = {"sum": "tl.sum", "moment": "tl.sum", "max": "tl.max", "min": "tl.min"}
INTEGER = {"max": "-9223372036854775807", "min": "9223372036854775807"}


class TritonWriter(Writer):
    """Writes `@triton.jit` functions."""

    operations = TRITON

    def kernel(self, name: str) -> Kernel:
        """Return the whole text, with the kernel that finishes a cut reduction."""
        body = self.body()
        split = self.parted
        written = [] if split else [node for node, _, _ in self.layout.roots]
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

    @property
    def states(self) -> list[str]:
        """Kinds of the partial results of a cut reduction, in the order of their arrays."""
        return self._states

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._states: list[str] = []
        self.whole = self.tiling.form == "whole" or not self.layout.passes

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
        return [
            f"c{space} = ({first}tl.arange(0, BLOCK{space})[None, :]){wide}",
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
            self.out.append(f"for start{k} in tl.range({begin}, {stop}, BLOCK{k}{stages}):")
            self.out += indented([*self._columns(k, f"start{k}"), *body])
        self.out += walk.after

    def _chunk(self, k: int) -> str:
        length = self.extent(self.column_extent(k))
        return f"(({length} + PARTS * BLOCK{k} - 1) // (PARTS * BLOCK{k}) * BLOCK{k})"

    def _begin(self, k: int) -> str:
        return f"part * {self._chunk(k)}" if self.parted else "0"

    def _fresh(self) -> str:
        self.counter += 1
        return f"v{self.counter}"

    def accumulate(self, walk: Pass, reduction: Reduction, value: Value) -> Value:
        """Add an entry to a reduction."""
        node, k = reduction.node, walk.space
        if node.op.startswith("arg"):
            return self._accumulate_place(walk, node, value)
        start, kind = START[node.op], "tl.int64" if value.kind == "int" else "ACC"
        if value.kind == "int":
            start = INTEGER.get(node.op, "0")
        masked = f"tl.where(m{k}, {value.text}, {start})"
        name, merge = self._fresh(), MERGE[node.op.replace("moment", "sum")]
        if self.whole:
            walk.after.append(f"{name} = {FOLD[node.op]}({masked}, 1, keep_dims=True)")
        else:
            tile = f"{name}_a"
            walk.before.append(f"{tile} = tl.full([ROWS, BLOCK{k}], {start}, {kind})")
            self.lines[1].append(f"{tile} = {merge.format(tile, masked)}")
            walk.after.append(f"{name} = {FOLD[node.op]}({tile}, 1, keep_dims=True)")
        if self.parted:
            walk.after += self.keep(name, value.kind)
        return Value(name, value.kind, 0, True)

    def _accumulate_place(self, walk: Pass, node: Node, value: Value) -> Value:
        k, name, best = walk.space, self._fresh(), node.op[3:]
        start = START[best] if value.kind == "float" else INTEGER[best]
        kind = "ACC" if value.kind == "float" else "tl.int64"
        masked = f"tl.where(m{k}, {value.text}, {start})"
        top, place = f"{name}_t", f"{name}_i"
        if self.whole:
            tile = f"{name}_m"
            walk.after += [f"{tile} = {masked}", f"{top} = {FOLD[best]}({tile}, 1, keep_dims=True)"]
            found = f"c{k}"
        else:
            tile, found = f"{name}_b", place
            walk.before += [
                f"{tile} = tl.full([ROWS, BLOCK{k}], {start}, {kind})",
                f"{place} = tl.zeros([ROWS, BLOCK{k}], tl.int64)",
            ]
            sign = ">" if best == "max" else "<"
            self.lines[1] += [
                f"{name}_w = {masked}",
                f"{place} = tl.where({name}_w {sign} {tile}, c{k}, {place})",
                f"{tile} = tl.where({name}_w {sign} {tile}, {name}_w, {tile})",
            ]
            walk.after.append(f"{top} = {FOLD[best]}({tile}, 1, keep_dims=True)")
        last = LAST
        walk.after.append(
            f"{name} = tl.min(tl.where({tile} == {top}, {found}, {last}), 1, keep_dims=True)"
        )
        if self.parted:
            walk.after += [*self.keep(top, value.kind), *self.keep(name, "int")]
        return Value(name, "int", 0, True)

    def accumulate_pair(
        self, walk: Pass, first: Reduction, second: Reduction, value: Value
    ) -> tuple[Value, Value]:
        """Add an entry to a reduction and to its partner."""
        k, name = walk.space, self._fresh()
        a, b, n = f"{name}_a", f"{name}_b", f"{name}_n"
        low, zeros = f"[ROWS, BLOCK{k}], {LOWEST}, ACC", f"[ROWS, BLOCK{k}], ACC"
        if first.node.op == "max":
            walk.before += [f"{a} = tl.full({low})", f"{b} = tl.zeros({zeros})"]
            self.lines[1] += [
                f"{name}_x = tl.where(m{k}, {value.text}, float('-inf'))",
                f"{name}_m = tl.maximum({a}, {name}_x)",
                f"{b} = {b} * tl.exp({a} - {name}_m) + tl.exp({name}_x - {name}_m)",
                f"{a} = {name}_m",
            ]
            walk.after += [
                f"{name} = tl.max({a}, 1, keep_dims=True)",
                f"{name}_s = tl.sum({b} * tl.exp({a} - {name}), 1, keep_dims=True)",
            ]
            if self.parted:
                walk.after += [*self.keep(name, "float"), *self.keep(f"{name}_s", "float")]
            return Value(name, "float", 0, True), Value(f"{name}_s", "float", 0, True)
        # Sums about each lane's first entry: no division in the loop, and little cancels.
        shift = f"{name}_k"
        walk.before += [f"{v} = tl.zeros({zeros})" for v in (a, b, n, shift)]
        begin = self._begin(k)
        self.lines[1] += [
            f"{shift} = tl.where(start{k} == {begin}, {value.text}, {shift})",
            f"{name}_d = tl.where(m{k}, {value.text} - {shift}, 0.0)",
            f"{n} += tl.where(m{k}, 1.0, 0.0)",
            f"{a} += {name}_d",
            f"{b} += {name}_d * {name}_d",
        ]
        walk.after += [
            f"{a} = {a} / tl.maximum({n}, 1.0)",
            f"{b} = {b} - {n} * {a} * {a}",
            f"{a} = {a} + {shift}",
            f"{name}_c = tl.sum({n}, 1, keep_dims=True)",
            f"{name}_u = tl.sum({n} * {a}, 1, keep_dims=True) / tl.maximum({name}_c, 1.0)",
            f"{name}_g = {a} - {name}_u",
            f"{name}_q = tl.sum({b} + {n} * {name}_g * {name}_g, 1, keep_dims=True)",
            f"{name} = {name}_u * {name}_c",
        ]
        if self.parted:
            for state in ("_c", "_u", "_q"):
                walk.after += self.keep(name + state, "float")
        return Value(name, "float", 0, True), Value(f"{name}_q", "float", 0, True)

    def keep(self, name: str, kind: str) -> list[str]:
        """Write a partial result for the kernel that finishes the reduction."""
        array = f"s{len(self._states)}_p"
        self._states.append(kind)
        row, mask = "tl.full([1, 1], 0, tl.int32)", ""
        if self.lane is not None:
            row, mask = f"(o * {self.extent(self.lane.extent)} + l)", ", mask=rm"
        elif self.rows:
            row, mask = "r", ", mask=rm"
        return [f"tl.store({array} + {row} * PARTS + part, {name}{mask})"]

    def scan(self, node: Node, index: Any) -> Value:
        """Return the entry of a scan."""
        k = next(k for k, s in enumerate(self.spaces) if set(s) & set(index))
        value = self.cast(self.value(node.inputs[0], index), "float")
        neutral = {"sum": "0.0", "min": START["min"]}.get(node.op, LOWEST)
        masked = self.named(f"tl.where(m{k}, {value.text}, {neutral})", "float", value, level=1)
        merge = {"sum": "{0} + {1}", "logsumexp": "log_add({0}, {1})"}.get(node.op, "")
        merge = merge or MERGE[node.op]
        scanned = f"tl.cumsum({masked.text}, 1)"
        if node.op != "sum":
            combine = {"max": "larger", "min": "smaller", "logsumexp": "log_add"}[node.op]
            scanned = f"tl.associative_scan({masked.text}, 1, {combine})"
        if self.whole:
            return self.named(scanned, "float", masked)
        carry = self._fresh()
        self.walk.before.append(f"{carry} = tl.full([ROWS, 1], {neutral}, ACC)")
        summed = self.named(merge.format(scanned, carry), "float", masked)
        x = masked.text
        whole = f"{FOLD.get(node.op, 'tl.max')}({x}, 1, keep_dims=True)"
        if node.op == "logsumexp":
            whole = f"({whole} + tl.log(tl.sum(tl.exp({x} - {whole}), 1, keep_dims=True)))"
        self.lines[1].append(f"{carry} = {merge.format(carry, whole)}")
        return summed

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
