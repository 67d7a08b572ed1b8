"""The indices of triangles, computed rather than read."""

from __future__ import annotations

from typing import Any

import torch

from mercer.lab.templates.extent import Extent
from mercer.lab.templates.graph import Node
from mercer.lab.templates.windows import Windows

ORDER = 4095  # up to which i (i + 1) is a whole number in single precision


class Triangles(Windows):
    """The lower triangle, entry by entry: entry k is in row i where i (i + 1) / 2 <= k."""

    def _tril_indices(self) -> Any:
        rows, columns, offset = self.argument(0), self.argument(1), self.argument(2, 0)
        if not isinstance(rows, tuple) or rows != columns or offset != 0 or max(rows) > ORDER:
            return self._extern()
        count: Extent = self.shape()[1]
        k = self.add("iota", "iota", (0, 1), [count], torch.int64)
        root = self.point("sqrt", self._real(self.point("add", self.point("mul", k, 8), 1)))
        i = self._whole(self.point("mul", self.point("sub", root, 1.0), 0.5))
        double = self.point("mul", k, 2)
        over = self.point("gt", self._twice(i), double)  # the root may be off by its rounding
        i = self.point("where", over, self.point("sub", i, 1), i)
        further = self.point("add", i, 1)
        i = self.point("where", self.point("le", self._twice(further), double), further, i)
        before = self._whole(self.point("mul", self._real(self._twice(i)), 0.5))
        j = self.point("sub", k, before)
        line = ((1,) * self.sizes, count)
        parts = [self.reshaped(place, line) for place in (i, j)]
        return self.add("cat", "cat", parts, axis=0)

    def _twice(self, i: Node) -> Node:
        """Twice the number of entries in the rows before row i."""
        return self.point("mul", i, self.point("add", i, 1))

    def _real(self, node: Node) -> Node:
        return self.add("point", "float", (node,), node.shape, torch.float32)

    def _whole(self, node: Node) -> Node:
        return self.add("point", "position", (node,), node.shape, torch.int64)
