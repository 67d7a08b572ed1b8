"""ATen operators that move entries, pick them, or make them of nothing."""

from __future__ import annotations

import torch

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

    def _arange(self) -> Node:
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
        node, axis = self.argument(0), self.argument(1, 0)
        axis %= len(node.shape)
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
        axes = tuple(a % len(node.shape) for a in self.argument(1))
        return self.add("view", "flip", (node,), axes=axes)

    def _cat(self) -> Node:
        parts = [p for p in self.argument(0) if not any(e == (0,) * self.sizes for e in p.shape)]
        axis = self.argument(1, 0) % len(self.shape())
        return self.add("cat", "cat", parts, axis=axis)

    def _constant_pad_nd(self) -> Node:
        node, widths, fill = self.argument(0), self.argument(1), self.argument(2, 0)
        widths = [w if isinstance(w, tuple) else (w,) * self.sizes for w in widths]
        lows = {len(node.shape) - 1 - k: widths[2 * k] for k in range(len(widths) // 2)}
        return self.add("pad", "pad", (node,), lows=lows, fill=fill)

    def _gather(self) -> Node:
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
        return self.add("gather", "take", (self.argument(0), self.argument(2)), axis=axis)

    def _index(self) -> Node:
        node, places = self.argument(0), self.argument(1)
        given = [k for k, p in enumerate(places) if p is not None]
        if len(given) != 1 or places[given[0]].dtype == torch.bool:
            return self._extern()
        return self.add("gather", "take", (node, places[given[0]]), axis=given[0])

    def _as_strided(self) -> Node:
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
