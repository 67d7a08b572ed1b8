"""Reductions and scans in Triton: what a tile adds, and how tiles are put together."""

from __future__ import annotations

from typing import Any

from mercer.lab.templates.axis import Value
from mercer.lab.templates.graph import Node
from mercer.lab.templates.layout import Reduction
from mercer.lab.templates.writer import Pass, Writer

LAST = "2147483647"
LOWEST = "-3.0e38"  # finite, so that differences of two of them are not NaN
START = {"sum": "0", "moment": "0", "max": 'float("-inf")', "min": 'float("inf")'}
MERGE = {"sum": "{0} + {1}", "max": "tl.maximum({0}, {1})", "min": "tl.minimum({0}, {1})"}
FOLD = {"sum": "tl.sum", "moment": "tl.sum", "max": "tl.max", "min": "tl.min"}
INTEGER = {"max": "-9223372036854775807", "min": "9223372036854775807"}


class TritonReductions(Writer):
    """The part of a kernel's text that adds up."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.walk = Pass(-1)
        self.states: list[str] = []  # kinds of the partial results of a cut reduction, in order
        self.whole = self.tiling.form == "whole" or not self.layout.passes

    def _chunk(self, k: int) -> str:
        length = self.extent(self.column_extent(k))
        return f"(({length} + PARTS * BLOCK{k} - 1) // (PARTS * BLOCK{k}) * BLOCK{k})"

    def _begin(self, k: int) -> str:
        return f"part * {self._chunk(k)}" if self.parted else "0"

    def _opening(self, k: int) -> str:
        """Where the first block of a walk starts."""
        last = f"({self.extent(self.column_extent(k))} - 1) // BLOCK{k} * BLOCK{k}"
        return last if self.layout.backwards else self._begin(k)

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
        self.lines[1] += [
            f"{shift} = tl.where(start{k} == {self._opening(k)}, {value.text}, {shift})",
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
            kept = [self.keep(name + state, "float") for state in ("_c", "_u", "_q")]
            # The count last: Triton 3.6 fails where the loop runs once and it is stored first.
            walk.after += [line for lines in reversed(kept) for line in lines]
        return Value(name, "float", 0, True), Value(f"{name}_q", "float", 0, True)

    def keep(self, name: str, kind: str) -> list[str]:
        """Write a partial result for the kernel that finishes the reduction."""
        array = f"s{len(self.states)}_p"
        self.states.append(kind)
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
        order = ", reverse=True" if node.attributes["reverse"] else ""
        scanned = f"tl.cumsum({masked.text}, 1{order})"
        if node.op != "sum":
            combine = {"max": "larger", "min": "smaller", "logsumexp": "log_add"}[node.op]
            scanned = f"tl.associative_scan({masked.text}, 1, {combine}{order})"
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
