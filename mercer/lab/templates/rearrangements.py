"""ATen operators that move entries, pick them, or make them of nothing."""

from __future__ import annotations

from typing import Any

import torch

from mercer.lab.templates.extent import Extent, product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.lowering import Lowering


class Rearrangements(Lowering):
    """One method per operator."""

    def _full(self) -> Node:
        return self.add("full", "full", (self.argument(1),))

    def _full_like(self) -> Node:
        return self.add("full", "full", (self.argument(1),))

    def _scalar_tensor(self) -> Node:
        return self.add("full", "full", (self.argument(0),))

    def _zeros_like(self) -> Node:
        return self.add("full", "full", (0,))

    def _ones_like(self) -> Node:
        return self.add("full", "full", (1,))

    _zeros, _ones = _zeros_like, _ones_like

    def _arange(self) -> Any:
        if self.overload != "start_step":
            return self._extern()
        start, step = self.argument(0), self.argument(2, 1)
        return self.add("iota", "iota", (start, step))

    def _iota(self) -> Node:
        return self.add("iota", "iota", (self.keyword("start", 0), self.keyword("step", 1)))

    def _permute(self) -> Node:
        node = self.argument(0)
        axes = tuple(a % len(node.shape) for a in self.argument(1))
        return self.add("view", "permute", (node,), dtype=node.dtype, axes=axes)

    def _transpose(self) -> Node:
        node = self.argument(0)
        axes = list(range(len(node.shape)))
        a, b = self.argument(1) % len(axes), self.argument(2) % len(axes)
        axes[a], axes[b] = axes[b], axes[a]
        return self.add("view", "permute", (node,), dtype=node.dtype, axes=tuple(axes))

    def _t(self) -> Node:
        node = self.argument(0)
        axes = tuple(range(len(node.shape)))[::-1]
        return self.add("view", "permute", (node,), dtype=node.dtype, axes=axes)

    def _expand(self) -> Node:
        return self.add("view", "expand", (self.argument(0),))

    def _slice(self) -> Node:
        node: Node = self.argument(0)
        axis = self.argument(1, 0) % len(node.shape)
        extent = node.shape[axis]
        start = self.argument(2) or 0
        starts = start if isinstance(start, tuple) else (start,) * self.sizes
        starts = tuple(max(s + e, 0) if s < 0 else min(s, e) for s, e in zip(starts, extent))
        step = self.argument(4, 1)
        if all(s == 0 for s in starts) and step == 1 and self.shape() == node.shape:
            return node
        return self.add("view", "slice", (node, starts), axis=axis, step=step)

    def _select(self) -> Node:
        node, axis, place = self.argument(0), self.argument(1), self.argument(2)
        axis %= len(node.shape)
        places = place if isinstance(place, tuple) else (place,) * self.sizes
        starts = tuple(p + e if p < 0 else p for p, e in zip(places, node.shape[axis]))
        ones = (1,) * self.sizes
        shape = [ones if k == axis else e for k, e in enumerate(node.shape)]
        part = self.add("view", "slice", (node, starts), shape, node.dtype, axis=axis, step=1)
        return self.reshaped(part)

    def _flip(self) -> Node:
        node = self.argument(0)
        return self.flipped(node, tuple(a % len(node.shape) for a in self.argument(1)))

    def flipped(self, node: Node, axes: tuple[int, ...]) -> Node:
        """The entries in the opposite order along axes; a scan runs backwards instead."""
        if node.kind == "view" and node.op == "flip" and node.attributes["axes"] == axes:
            flat: Node = node.inputs[0]
            return flat
        if node.kind == "scan" and axes == (node.attributes["axis"],):
            source = self.flipped(node.inputs[0], axes)
            attributes = node.attributes | {"reverse": not node.attributes["reverse"]}
            return self.add("scan", node.op, (source,), node.shape, node.dtype, **attributes)
        return self.add("view", "flip", (node,), node.shape, node.dtype, axes=axes)

    def _cat(self) -> Node:
        parts = [p for p in self.argument(0) if not any(e == (0,) * self.sizes for e in p.shape)]
        axis = self.argument(1, 0) % len(self.shape())
        return self.add("cat", "cat", parts, axis=axis)

    def _constant_pad_nd(self) -> Node:
        node, widths, fill = self.argument(0), self.argument(1), self.argument(2, 0)
        widths = [w if isinstance(w, tuple) else (w,) * self.sizes for w in widths]
        lows = {len(node.shape) - 1 - k: widths[2 * k] for k in range(len(widths) // 2)}
        return self.add("pad", "pad", (node,), lows=lows, fill=fill)

    def _gather(self) -> Any:
        node, axis, index = self.argument(0), self.argument(1), self.argument(2)
        axis %= len(node.shape)
        alike = [e == f for k, (e, f) in enumerate(zip(node.shape, index.shape)) if k != axis]
        if not all(alike):
            return self._extern()
        return self.add("gather", "along", (node, index), axis=axis)

    def _embedding(self) -> Node:
        return self.add("gather", "take", (self.argument(0), self.argument(1)), axis=0)

    def _index_select(self) -> Node:
        axis = self.argument(1) % len(self.argument(0).shape)
        return self._taken(self.argument(0), self.argument(2), axis)

    def _index(self) -> Any:
        node, places = self.argument(0), self.argument(1)
        given = [k for k, p in enumerate(places) if p is not None]
        if not given or any(places[k].dtype == torch.bool for k in given):
            return self._extern()
        if len(given) > 1:
            return self._pairs(node, places, given)
        return self._taken(node, places[given[0]], given[0])

    def _pairs(self, node: Node, places: list[Any], given: list[int]) -> Any:
        """Two neighbouring axes picked from together are one axis; a grid picks from each alone."""
        first, *others = given
        if others != [first + 1]:
            return self._extern()
        if (grid := self._grid(*(places[k] for k in given))) is not None:
            return self._taken(self._taken(node, grid[0], first), grid[1], first + 1)
        if places[first].shape != places[first + 1].shape:
            return self._extern()
        wrapped = []
        for k in given:
            back = self.point("add", places[k], node.shape[k])
            wrapped.append(self.point("where", self.point("lt", places[k], 0), back, places[k]))
        place = self.point("add", self.point("mul", wrapped[0], node.shape[first + 1]), wrapped[1])
        both = product(node.shape[first : first + 2], self.sizes)
        shape = (*node.shape[:first], both, *node.shape[first + 2 :])
        return self._taken(self.reshaped(node, shape), place, first)

    def _grid(self, rows: Node, columns: Node) -> tuple[Node, Node] | None:
        """The rows and the columns of places (a, 1) and (b,) or (1, b), each along one axis."""
        ones = (1,) * self.sizes
        if len(rows.shape) != 2 or rows.shape[1] != ones or columns.shape[:-1] not in ((), (ones,)):
            return None
        return self.reshaped(rows, rows.shape[:1]), self.reshaped(columns, columns.shape[-1:])

    def _unbind(self) -> list[Node]:
        node, axis = self.argument(0), self.argument(1, 0)
        axis %= len(node.shape)
        shape = (*node.shape[:axis], *node.shape[axis + 1 :])
        thin = [*node.shape[:axis], (1,) * self.sizes, *node.shape[axis + 1 :]]
        parts = []
        for k in range(node.shape[axis][0]):
            joined = node.kind == "cat" and node.attributes["axis"] == axis
            if joined and all(part.shape == tuple(thin) for part in node.inputs):
                parts.append(self.reshaped(node.inputs[k], shape))
                continue
            starts = (k,) * self.sizes
            part = self.add("view", "slice", (node, starts), thin, node.dtype, axis=axis, step=1)
            parts.append(self.reshaped(part, shape))
        return parts

    def _taken(self, node: Node, place: Node, axis: int) -> Node:
        start = self._start(place, node.shape[axis])
        if start is not None:
            return self.add("view", "roll", (node, start), node.shape, node.dtype, axis=axis)
        shape = (*node.shape[:axis], *place.shape, *node.shape[axis + 1 :])
        return self.add("gather", "take", (node, place), shape, node.dtype, axis=axis)

    def _start(self, place: Node, length: Extent) -> Extent | None:
        """Where a cyclic shift begins if the places are one: (0, 1, 2, ... + start) % length."""
        if place.op != "remainder" or place.inputs[1] != length or place.shape != (length,):
            return None
        start: int | Extent = 0
        inner = place.inputs[0]
        if inner.op == "add" and isinstance(inner.inputs[0], Node):
            inner, start = inner.inputs
        if inner.op != "iota" or inner.inputs != (0, 1) or not isinstance(start, (int, tuple)):
            return None
        starts = start if isinstance(start, tuple) else (start,) * self.sizes
        return tuple(s % n for s, n in zip(starts, length))

    def _as_strided(self) -> Any:
        node = self.argument(0)
        shapes = [tuple(n.meta["val"].shape) for n in self.column]
        contiguous = all(
            torch.empty(s, device="meta").stride() == tuple(n.args[2])
            for s, n in zip(shapes, self.column)
        )
        whole = all(n.meta["val"].numel() == n.args[0].meta["val"].numel() for n in self.column)
        if not (contiguous and whole):
            return self._extern()
        return self.reshaped(node)
