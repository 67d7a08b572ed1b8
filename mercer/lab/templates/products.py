"""Products of matrices, and distances of their rows: of few terms they are plain reductions."""

from __future__ import annotations

from typing import Any

from mercer.lab.templates.extent import is_one
from mercer.lab.templates.graph import Node
from mercer.lab.templates.triangles import Triangles

SHORT = 16  # terms up to which a product is bound by memory
THIN = 8  # a product with a matrix of so few columns reads the other factor once for all


class Products(Triangles):
    """One method per operator; a product that arithmetic bounds stays PyTorch's."""

    def _mm(self) -> Any:
        return self._inner(self.argument(0), self.argument(1))

    _bmm = _mm

    def _mv(self) -> Node:
        x, y = self.argument(0), self.argument(1)
        return self.reduced("sum", self.point("mul", x, y), [1])

    def _inner(self, x: Node, y: Node) -> Any:
        """A product with a vector, or of a few terms, is bound by memory: a plain reduction."""
        short = max(x.shape[-1]) <= SHORT
        ones = (1,) * self.sizes
        if not (short or is_one(x.shape[-2]) or is_one(y.shape[-1])):
            if len(x.shape) == 2 and len(set(y.shape[1])) == 1 and y.shape[1][0] <= THIN:
                return self._thin(x, y)
            return self._extern()
        axes = tuple(range(len(y.shape)))
        axes = (*axes[:-2], axes[-1], axes[-2])
        shape = tuple(y.shape[a] for a in axes)
        y = self.add("view", "permute", (y,), shape, y.dtype, axes=axes)
        x = self.reshaped(x, (*x.shape[:-1], ones, x.shape[-1]))
        y = self.reshaped(y, (*shape[:-2], ones, *shape[-2:]))
        return self.reduced("sum", self.point("mul", x, y), [len(x.shape) - 1])

    def _thin(self, x: Node, y: Node) -> Node:
        """Column by column: reductions of the same rows share one pass."""
        ones = (1,) * self.sizes
        columns = []
        for j in range(y.shape[1][0]):
            starts = (j,) * self.sizes
            shape = (y.shape[0], ones)
            column = self.add("view", "slice", (y, starts), shape, y.dtype, axis=1, step=1)
            terms = self.point("mul", x, self.reshaped(column, y.shape[:1]))
            columns.append(self.reshaped(self.reduced("sum", terms, [1]), (x.shape[0], ones)))
        shape = (x.shape[0], y.shape[1])
        return self.add("cat", "cat", columns, shape, x.dtype, axis=1)

    def _addmm(self) -> Any:
        bias, x, y = (self.argument(k) for k in range(3))
        plain = self.keyword("alpha", 1) == 1 and self.keyword("beta", 1) == 1
        product = self._inner(x, y) if plain else None
        if product is None or product.kind == "extern":
            return self._extern() if product is None else product
        return self.point("add", product, bias)

    def _cdist_forward(self) -> Any:
        x, y = self.argument(0), self.argument(1)
        if self.argument(2) not in (1, 1.0, 2, 2.0):
            return self._extern()
        ones = (1,) * self.sizes
        x = self.reshaped(x, (*x.shape[:-1], ones, x.shape[-1]))
        y = self.reshaped(y, (*y.shape[:-2], ones, *y.shape[-2:]))
        gap = self.point("sub", x, y)
        if self.argument(2) == 1:
            return self.reduced("sum", self.point("abs", gap), [-1])
        return self.point("sqrt", self.reduced("sum", self.point("mul", gap, gap), [-1]))
