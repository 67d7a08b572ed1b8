"""ATen operators that take more than one step, or whose arguments need reading."""

from __future__ import annotations

import math
from typing import Any

import torch

from mercer.lab.templates.graph import Node
from mercer.lab.templates.products import Products


class Operators(Products):
    """One method per operator; what has none here or in a table stays PyTorch's."""

    def _axes(self, node: Node, axes: Any) -> list[int]:
        axes = [axes] if isinstance(axes, int) else axes
        return sorted(a % max(len(node.shape), 1) for a in axes or range(len(node.shape)))

    def _mean(self) -> Node:
        node = self.argument(0)
        axes = self._axes(node, self.argument(1))
        return self.reshaped(self._average(node, axes))

    def _average(self, node: Node, axes: list[int]) -> Node:
        total = self.reduced("sum", node, axes)
        return self.point("div", total, self.count(node, axes))

    def _kept(self, node: Node, like: Node, axes: list[int]) -> Node:
        ones = (1,) * self.sizes
        return self.reshaped(node, [ones if k in axes else e for k, e in enumerate(like.shape)])

    def _var_mean(self) -> list[Node]:
        node = self.argument(0)
        axes = self._axes(node, self.argument(1))
        count = self.count(node, axes)
        correction = self.keyword("correction", 1)
        correction = 1 if correction is None else correction
        left = tuple(c - correction for c in count)
        mean = self._average(node, axes)
        shape = [e for k, e in enumerate(node.shape) if k not in axes]
        moment = self.add("reduce", "moment", (node, mean), shape, node.dtype, axes=tuple(axes))
        variance = self.point("div", moment, left)
        values = [n.meta["val"] for n in self.column]
        values = [v[0] if isinstance(v, (tuple, list)) else v for v in values]
        out = tuple(zip(*(tuple(v.shape) for v in values))) if values[0].dim() else ()
        return [self.reshaped(variance, out), self.reshaped(mean, out)]

    def _var(self) -> Node:
        return self._var_mean()[0]

    def _best(self, op: str) -> Any:
        node = self.argument(0)
        if self.overload == "default":
            return self._reduction(op)
        axes = self._axes(node, self.argument(1))
        shape = tuple(zip(*(tuple(n.meta["val"][0].shape) for n in self.column)))
        value = self.reduced(op, node, axes)
        place = self.reduced(f"arg{op}", node, axes, torch.int64)
        return [self.reshaped(value, shape), self.reshaped(place, shape)]

    def _max(self) -> Any:
        return self._best("max")

    def _min(self) -> Any:
        return self._best("min")

    def _truths(self, op: str) -> Node:
        node = self.argument(0)
        axes = self._axes(node, self.argument(1))
        found = self.reduced(op, self.point("int", self.point("ne", node, 0)), axes)
        return self.reshaped(self.point("ne", found, 0))

    def _any(self) -> Node:
        return self._truths("max")

    def _all(self) -> Node:
        return self._truths("min")

    def _linalg_vector_norm(self) -> Any:
        node, order = self.argument(0), self.argument(1, 2)
        axes = self._axes(node, self.argument(2))
        size = self.point("abs", node)
        if order == 2:
            squares = self.reduced("sum", self.point("mul", node, node), axes)
            return self.reshaped(self.point("sqrt", squares))
        if order == 1:
            return self.reshaped(self.reduced("sum", size, axes))
        if order in (math.inf, -math.inf):
            return self.reshaped(self.reduced("max" if order > 0 else "min", size, axes))
        return self._extern()

    def _clamp(self) -> Node:
        node, low, high = self.argument(0), self.argument(1), self.argument(2)
        if low is not None:
            node = self.point("maximum", node, low)
        return node if high is None else self.point("minimum", node, high)

    def _clamp_min(self) -> Node:
        return self.point("maximum", self.argument(0), self.argument(1))

    def _clamp_max(self) -> Node:
        return self.point("minimum", self.argument(0), self.argument(1))

    def _hardtanh(self) -> Node:
        low = self.point("maximum", self.argument(0), self.argument(1, -1.0))
        return self.point("minimum", low, self.argument(2, 1.0))

    def _leaky_relu(self) -> Node:
        x = self.argument(0)
        return self.point(
            "where", self.point("gt", x, 0), x, self.point("mul", x, self.argument(1, 0.01))
        )

    def _elu(self) -> Node:
        x = self.argument(0)
        alpha, scale, inner = self.argument(1, 1.0), self.argument(2, 1.0), self.argument(3, 1.0)
        negative = self.point("mul", self.point("expm1", self.point("mul", x, inner)), alpha)
        whole = self.point("where", self.point("gt", x, 0), x, negative)
        return whole if scale == 1 else self.point("mul", whole, scale)

    def _pow(self) -> Node:
        base, power = self.argument(0), self.argument(1)
        if not isinstance(base, Node) or not isinstance(power, (int, float)):
            return self.add("point", "pow", (base, power))
        if power in (1, 2, 3, 4):
            result = base
            for _ in range(int(power) - 1):
                result = self.point("mul", result, base)
            return result
        simple = {0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}
        if power in simple:
            return self.point(simple[power], base)
        return self.add("point", "pow", (base, power))

    def _rsub(self) -> Node:
        return self.point("sub", self.argument(1), self.argument(0))

    def _fmod(self) -> Any:
        if self.dtype.is_floating_point:
            return self._extern()
        return self.add("point", "remainder", (self.argument(0), self.argument(1)))

    def _square(self) -> Node:
        return self.point("mul", self.argument(0), self.argument(0))

    def _to(self) -> Any:
        node = self.argument(0)
        if node.dtype == self.dtype:
            return node
        if self.dtype not in (torch.float32, torch.int64, torch.int32, torch.bool):
            return self._extern()
        kind = "float" if self.dtype.is_floating_point else "int"
        op = "ne" if self.dtype == torch.bool else kind
        return self.add("point", op, (node, 0) if op == "ne" else (node,))

    def _scanned(self, op: str) -> Node:
        node = self.argument(0)
        axis = self.argument(1) % len(node.shape)
        return self.add("scan", op, (node,), node.shape, node.dtype, axis=axis, reverse=False)

    def _scannable(self) -> bool:
        node = self.argument(0)
        return bool(node.shape) and node.dtype.is_floating_point

    def _cumsum(self) -> Any:
        return self._scanned("sum") if self._scannable() else self._extern()

    def _logcumsumexp(self) -> Any:
        return self._scanned("logsumexp") if self._scannable() else self._extern()

    def _running_best(self, op: str) -> Any:
        """Values alone; where their places are read too, the operator stays PyTorch's."""
        if not self._scannable() or self._reads(1):
            return self._extern()
        return [self._scanned(op), None]

    def _cummax(self) -> Any:
        return self._running_best("max")

    def _cummin(self) -> Any:
        return self._running_best("min")

    def _reads(self, part: int) -> bool:
        """Whether anybody uses a part of what the call returns."""
        return any(user.args[1] == part and user.users for user in self.column[0].users)

    def _topk(self) -> Any:
        node, count = self.argument(0), self.argument(1)
        axis = self.argument(2, -1) % max(len(node.shape), 1)
        if not isinstance(count, int) or count > 8 or not node.dtype.is_floating_point:
            return self._extern()
        op, out = ("max", -math.inf) if self.argument(3, True) else ("min", math.inf)
        ones = (1,) * self.sizes
        line = tuple(e if k == axis else ones for k, e in enumerate(node.shape))
        place = self.add("iota", "iota", (0, 1), [node.shape[axis]], torch.int64)
        place = self.reshaped(place, line)
        left, values, places = node, [], []
        for _ in range(count):
            values.append(self._kept(self.reduced(op, left, [axis]), node, [axis]))
            found = self.reduced(f"arg{op}", left, [axis], torch.int64)
            places.append(self._kept(found, node, [axis]))
            left = self.point("where", self.point("eq", place, places[-1]), out, left)
        shape = tuple((count,) * self.sizes if k == axis else e for k, e in enumerate(node.shape))
        return [
            self.add("cat", "cat", values, shape, node.dtype, axis=axis),
            self.add("cat", "cat", places, shape, torch.int64, axis=axis),
        ]
