"""The second kernel of a reduction that was cut among programs."""

from __future__ import annotations

from mercer.lab.templates.axis import Value
from mercer.lab.templates.graph import Node
from mercer.lab.templates.layout import Reduction
from mercer.lab.templates.triton_reductions import FOLD, INTEGER, LAST, LOWEST, START
from mercer.lab.templates.triton_writer import TritonWriter
from mercer.lab.templates.walk import kind_of
from mercer.lab.templates.writer import Kernel


class Finish(TritonWriter):
    """The kernel that puts the parts of a cut reduction together."""

    def __init__(self, first: TritonWriter) -> None:
        super().__init__(first.layout, first.tiling, first.stored)
        self.first = first
        self.lane, self.whole = None, True
        self.loaded = {}
        self.kinds = list(first.states)
        self.taken = 0

    def kernel(self, name: str) -> Kernel:
        """Return the text."""
        reductions = list(self.layout.reductions.values())
        joint = {r.partner: r for r in reductions if self.joint(r)}
        for reduction in (r for r in reductions if not self.joint(r)):
            self._gathered(reduction.node, joint.get(reduction.node.name))
        for node, index, _ in self.layout.roots:
            self._store(node, index, 0)
        body = [*self.lines[0], *self.lines[1]]
        written = self.layout.written
        arrays = [*self.loaded, *(n.name for n in written)]
        pointers = [*(f"{a}_p" for a in arrays), *(f"s{k}_p" for k in range(len(self.kinds)))]
        row = self.extent(self.row_extent())
        head = [
            "r = tile * ROWS + tl.arange(0, ROWS)[:, None]",
            f"rm = r < {row}",
            "c = tl.arange(0, BLOCK0)[None, :]",
            "m = rm & (c < PARTS)",
        ]
        source = self.function(name, pointers, head, body)
        return Kernel(
            name, source, arrays, written, self.kinds, self.extents, self.numbers, self.rows,
            self.spaces, None, True, self.tiling,
        )  # fmt: skip

    def _head(self, split: bool) -> list[str]:
        return []

    def _part(self, other: str) -> str:
        name = self._fresh()
        array = f"s{self.taken}_p"
        self.taken += 1
        self.lines[0].append(f"{name} = tl.load({array} + r * PARTS + c, mask=m, other={other})")
        return name

    def _gathered(self, node: Node, second: Reduction | None) -> None:
        lines, name = self.lines[0], self._fresh()
        kind = kind_of(node.dtype)
        if second is not None and node.op == "max":
            top, total = self._part(LOWEST), self._part("0")
            lines += [
                f"{name} = tl.max({top}, 1, keep_dims=True)",
                f"{name}_s = tl.sum({total} * tl.exp({top} - {name}), 1, keep_dims=True)",
            ]
            self.results[second.node.name] = Value(f"{name}_s", "float", 0, True)
        elif second is not None:
            count, mean, square = self._part("0"), self._part("0"), self._part("0")
            lines += [
                f"{name}_c = tl.sum({count}, 1, keep_dims=True)",
                f"{name}_u = tl.sum({count} * {mean}, 1, keep_dims=True)",
                f"{name}_u = {name}_u / tl.maximum({name}_c, 1.0)",
                f"{name}_d = {mean} - {name}_u",
                f"{name}_q = tl.sum({square} + {count} * {name}_d * {name}_d, 1, keep_dims=True)",
                f"{name} = {name}_u * {name}_c",
            ]
            self.results[second.node.name] = Value(f"{name}_q", "float", 0, True)
        elif node.op.startswith("arg"):
            best = node.op[3:]
            integer = not node.inputs[0].dtype.is_floating_point
            top = self._part(INTEGER[best] if integer else START[best])
            place = self._part("0")
            lines += [
                f"{name}_t = {FOLD[best]}({top}, 1, keep_dims=True)",
                f"{name} = tl.where(m & ({top} == {name}_t), {place}, {LAST})",
                f"{name} = tl.min({name}, 1, keep_dims=True)",
            ]
            kind = "int"
        else:
            start = INTEGER.get(node.op, "0") if kind == "int" else START[node.op]
            part = self._part(start)
            lines.append(f"{name} = {FOLD[node.op]}({part}, 1, keep_dims=True)")
        self.results[node.name] = Value(name, kind, 0, True)
