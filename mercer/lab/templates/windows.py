"""Short windows that slide over the last axes: depthwise convolution and pooling."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

from mercer.lab.templates.graph import Node
from mercer.lab.templates.rearrangements import Rearrangements

TAPS = 32  # longer windows are not bound by memory


class Windows(Rearrangements):
    """One method per operator: a window is a sum, or a maximum, of shifted arrays."""

    def _padded(self, node: Node, widths: list[int], fill: float) -> Node:
        if not any(widths):
            return node
        first = len(node.shape) - len(widths)
        lows = {first + k: (w,) * self.sizes for k, w in enumerate(widths)}
        shape = [
            tuple(e + 2 * lows[k][0] for e in extent) if k in lows else extent
            for k, extent in enumerate(node.shape)
        ]
        return self.add("pad", "pad", (node,), shape, node.dtype, lows=lows, fill=fill)

    def _shifted(
        self, node: Node, lengths: list[int], steps: list[int]
    ) -> Iterator[tuple[tuple[int, ...], Node]]:
        """Every place in the window, and what stands there for each entry of the result."""
        shape = self._result()
        first = len(shape) - len(lengths)
        for place in itertools.product(*(range(n) for n in lengths)):
            part = node
            for k, (start, step) in enumerate(zip(place, steps)):
                axis = first + k
                extents = [*part.shape[:axis], shape[axis], *part.shape[axis + 1 :]]
                if extents[axis] != part.shape[axis] or step > 1:
                    starts = (start,) * self.sizes
                    part = self.add(
                        "view", "slice", (part, starts), extents, node.dtype, axis=axis, step=step
                    )
            yield place, part

    def _result(self) -> tuple[Any, ...]:
        values = [n.meta["val"] for n in self.column]
        values = [v[0] if isinstance(v, (tuple, list)) else v for v in values]
        return tuple(zip(*(tuple(v.shape) for v in values)))

    def _convolution(self) -> Any:
        x, weight, bias, steps, widths, dilations, transposed, outer, groups = (
            self.argument(k) for k in range(9)
        )
        lengths = [e[0] for e in weight.shape[2:]]
        channels = (groups,) * self.sizes if isinstance(groups, int) else groups
        plain = not transposed and all(d == 1 for d in dilations) and not any(outer)
        alone = channels == x.shape[1] == weight.shape[0]
        fixed = all(len(set(e)) == 1 for e in weight.shape[2:])
        if not (plain and alone and fixed and math.prod(lengths) <= TAPS):
            return self._extern()
        ones = (1,) * self.sizes
        inner = (ones,) * len(lengths)
        total = None if bias is None else self.reshaped(bias, (channels, *inner))
        for place, part in self._shifted(self._padded(x, widths, 0.0), lengths, steps):
            tap = weight
            for k, start in enumerate(place):
                shape = [*tap.shape[: 2 + k], ones, *tap.shape[3 + k :]]
                starts = (start,) * self.sizes
                if shape[2 + k] != tap.shape[2 + k]:
                    tap = self.add(
                        "view", "slice", (tap, starts), shape, tap.dtype, axis=2 + k, step=1
                    )
            term = self.point("mul", part, self.reshaped(tap, (channels, *inner)))
            total = term if total is None else self.point("add", total, term)
        return total

    def _pair(self, value: Any, count: int) -> list[int]:
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        return values * count if len(values) == 1 else values

    def _max_pool2d_with_indices(self) -> Any:
        x, lengths = self.argument(0), self._pair(self.argument(1), 2)
        steps = self._pair(self.argument(2) or lengths, 2)
        widths = self._pair(self.argument(3, 0), 2)
        dilations, ceil = self._pair(self.argument(4, 1), 2), self.argument(5, False)
        read = any(user.args[1] == 1 and user.users for user in self.column[0].users)
        if read or ceil or any(d != 1 for d in dilations) or math.prod(lengths) > TAPS:
            return self._extern()
        result: Node | None = None
        for _, part in self._shifted(self._padded(x, widths, -math.inf), lengths, steps):
            result = part if result is None else self.point("maximum", result, part)
        return [result, None]

    def _avg_pool2d(self) -> Any:
        x, lengths = self.argument(0), self._pair(self.argument(1), 2)
        steps = self._pair(self.argument(2) or lengths, 2)
        widths = self._pair(self.argument(3, 0), 2)
        ceil, whole, divisor = self.argument(4, False), self.argument(5, True), self.argument(6)
        if ceil or (any(widths) and not whole) or math.prod(lengths) > TAPS:
            return self._extern()
        total: Node | None = None
        for _, part in self._shifted(self._padded(x, widths, 0.0), lengths, steps):
            total = part if total is None else self.point("add", total, part)
        return self.point("div", total, divisor or math.prod(lengths))
