"""ATen calls at several sizes at once, lowered to the few kinds of `Node`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch

from mercer.lab.templates.extent import Extent, Unsupported, is_one, product
from mercer.lab.templates.graph import Node

Columns = Sequence[Any]  # the same call at every size

POINT = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "div", "neg": "neg", "abs": "abs",
    "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2",
    "log10": "log10", "log1p": "log1p", "sqrt": "sqrt", "rsqrt": "rsqrt", "tanh": "tanh",
    "sigmoid": "sigmoid", "erf": "erf", "sin": "sin", "cos": "cos", "relu": "relu",
    "maximum": "maximum", "minimum": "minimum", "where": "where", "reciprocal": "reciprocal",
    "floor": "floor", "ceil": "ceil", "sign": "sign", "eq": "eq", "ne": "ne", "lt": "lt",
    "le": "le", "gt": "gt", "ge": "ge", "logical_and": "and", "logical_or": "or",
    "logical_not": "not", "bitwise_and": "and", "bitwise_or": "or", "bitwise_not": "not",
    "isnan": "isnan", "remainder": "remainder",
}  # fmt: skip
SAME = {
    "view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "clone", "alias", "detach",
    "contiguous", "lift_fresh",
}  # fmt: skip
REDUCE = {"sum": "sum", "amax": "max", "amin": "min", "argmax": "argmax", "argmin": "argmin"}
BOOLEAN = ("and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "isnan")


class Lowering:
    """Builds nodes from columns of `torch.fx` nodes, one per size.

    Parameters
    ----------
    sizes : int
    """

    def __init__(self, sizes: int) -> None:
        self.sizes = sizes
        self.nodes: list[Node] = []
        self.known: dict[Any, Node] = {}
        self.results: dict[Any, Any] = {}  # of the first size's node: a Node, or several

    def input(self, column: Columns, name: str) -> Node:
        """Add an input of the program."""
        value = column[0].meta["val"]
        node = Node(name, "input", "input", (), self.shape(column), value.dtype)
        self.nodes.append(node)
        self.results[column[0]] = node
        return node

    def operation(self, column: Columns) -> None:
        """Lower one call."""
        first = column[0]
        if first.target is operator.getitem:
            self.results[first] = self.results[first.args[0]][first.args[1]]
            return
        name = first.target._schema.name.split("::")[1].removesuffix("_copy").rstrip("_")
        overload = first.target._overloadname
        self.column, self.at = column, first.name
        self.overload = overload
        handler: Callable[[], Any] | None = getattr(self, f"_{name.strip('_')}", None)
        if name in ("reshape_as", "copy"):
            handler = None
        if self._complex():
            self.results[first] = self._extern()
        elif name in POINT:
            self.results[first] = self._pointwise(POINT[name])
        elif name in SAME:
            self.results[first] = self.reshaped(self.argument(0))
        elif name in REDUCE:
            self.results[first] = self._reduction(REDUCE[name])
        elif handler is not None:
            self.results[first] = handler()
        else:
            self.results[first] = self._extern()

    # -- arguments ---------------------------------------------------------------------------

    def shape(self, column: Columns | None = None) -> tuple[Extent, ...]:
        """The extents of what a call returns."""
        values = [node.meta["val"] for node in (column or self.column)]
        if len({v.dim() for v in values}) > 1:
            raise Unsupported(f"{self.at} has different numbers of axes at different sizes")
        return tuple(zip(*(tuple(v.shape) for v in values))) if values[0].dim() else ()

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of what the call returns."""
        dtype: torch.dtype = self.column[0].meta["val"].dtype
        return dtype

    def merged(self, values: Columns) -> Any:
        """One argument at every size: a node, a constant, or an `Extent`."""
        first = values[0]
        if isinstance(first, torch.fx.Node):
            return self.results[first]
        if isinstance(first, (list, tuple)):
            if len({len(v) for v in values}) > 1:
                raise Unsupported(f"{self.at} has different arguments at different sizes")
            return [self.merged(v) for v in zip(*values)]
        if isinstance(first, bool) or not isinstance(first, (int, float)):
            return first
        return first if all(v == first or v != v for v in values) else tuple(values)

    def argument(self, position: int, default: Any = None) -> Any:
        """The positional argument of the call, or the default."""
        if position >= len(self.column[0].args):
            return default
        return self.merged([node.args[position] for node in self.column])

    def keyword(self, name: str, default: Any = None) -> Any:
        """The keyword argument of the call, or the default."""
        if name not in self.column[0].kwargs:
            return default
        return self.merged([node.kwargs[name] for node in self.column])

    # -- nodes -------------------------------------------------------------------------------

    def add(
        self,
        kind: str,
        op: str,
        inputs: Sequence[Any],
        shape: Sequence[Extent] | None = None,
        dtype: torch.dtype | None = None,
        **attributes: Any,
    ) -> Node:
        """Append a node; shape and dtype are the call's own where they are not given."""
        shape = self.shape() if shape is None else tuple(shape)
        name = f"t{len(self.nodes)}"
        node = Node(name, kind, op, tuple(inputs), tuple(shape), dtype or self.dtype, attributes)
        if kind != "extern":  # the same array is computed once
            key = (kind, op, repr(node.inputs), node.shape, node.dtype, repr(attributes))
            if key in self.known:
                return self.known[key]
            self.known[key] = node
        self.nodes.append(node)
        return node

    def point(self, op: str, *inputs: Any) -> Node:
        """Apply an operation to single entries, with broadcasting."""
        arrays = [i for i in inputs if isinstance(i, Node)]
        rank = max(len(a.shape) for a in arrays)
        ones = (1,) * self.sizes
        padded = [(ones,) * (rank - len(a.shape)) + a.shape for a in arrays]
        shape = [next((e for e in axis if not is_one(e)), ones) for axis in zip(*padded)]
        dtype = torch.bool if op in BOOLEAN else torch.float32
        if op not in BOOLEAN and not any(a.dtype.is_floating_point for a in arrays):
            dtype = arrays[-1].dtype
        return self.add("point", op, inputs, shape, dtype)

    def reshaped(self, node: Node, shape: Sequence[Extent] | None = None) -> Node:
        """The same entries in the same order under another shape."""
        shape = self.shape() if shape is None else tuple(shape)
        if shape == node.shape:
            return node
        if product(shape, self.sizes) != product(node.shape, self.sizes):
            raise Unsupported(f"{self.at} is a view that changes the number of entries")
        return self.add("view", "reshape", (node,), shape, node.dtype)

    def reduced(self, op: str, node: Node, axes: Sequence[int], dtype: Any = None) -> Node:
        """Reduce over axes and drop them."""
        axes = sorted(a % len(node.shape) for a in axes) if node.shape else []
        last = len(node.shape) - 1
        if op == "sum" and len(axes) > 1 and last in axes and self._has_rows(node, node.shape):
            # The terms need results of their rows: sum each row where those are at hand.
            node = self.reduced(op, node, [last], dtype)
            axes = axes[:-1]
        shape = [e for k, e in enumerate(node.shape) if k not in axes]
        return self.add("reduce", op, (node,), shape, dtype or node.dtype, axes=tuple(axes))

    def _has_rows(self, node: Node, shape: tuple[Extent, ...]) -> bool:
        """Whether an array is computed from a reduction of its last axis."""
        for source in node.sources:
            if source.kind == "reduce":
                inner = source.inputs[0].shape
                if inner == shape and source.attributes["axes"] == (len(shape) - 1,):
                    return True
            elif source.kind in ("point", "view") and self._has_rows(source, shape):
                return True
        return False

    def count(self, node: Node, axes: Sequence[int]) -> Extent:
        """How many entries a reduction over the axes runs over."""
        return product([node.shape[a] for a in axes], self.sizes)

    def _complex(self) -> bool:
        """Whether complex numbers come in or go out, which no kernel computes with."""
        call = self.column[0]
        values = [call.meta["val"], *(node.meta["val"] for node in call.all_input_nodes)]
        return any(isinstance(v, torch.Tensor) and v.is_complex() for v in values)

    def _pointwise(self, op: str) -> Any:
        inputs = [self.argument(k) for k in range(len(self.column[0].args))]
        alpha = self.keyword("alpha", 1)
        if alpha != 1:
            inputs[1] = self.point("mul", inputs[1], alpha)
        mode = self.keyword("rounding_mode")
        if op == "div" and mode is not None:
            return self._extern()
        return self.add("point", op, inputs)

    def _reduction(self, op: str) -> Node:
        node = self.argument(0)
        axes = self.argument(1)
        axes = [axes] if isinstance(axes, int) else axes
        axes = [a % max(len(node.shape), 1) for a in axes or range(len(node.shape))]
        if node.dtype == torch.bool and op in ("sum", "max", "min"):
            node = self.point("int", node)
        return self.reshaped(self.reduced(op, node, axes, self.dtype)) if node.shape else node

    def _extern(self) -> Any:
        call = self.column[0]
        arguments = [self.argument(k) for k in range(len(call.args))]
        keywords = {k: self.keyword(k) for k in call.kwargs if k not in ("device", "layout")}
        attributes: dict[str, Any] = {"target": str(call.target), "arguments": arguments}
        attributes["keywords"] = keywords
        sources = [n for n in _nodes([arguments, list(keywords.values())])]
        value = call.meta["val"]
        if isinstance(value, torch.Tensor):
            return self.add("extern", str(call.target), sources, **attributes)
        several = self.add("extern", str(call.target), sources, (), torch.float32, **attributes)
        parts = []
        for k in range(len(value)):
            if not isinstance(value[k], torch.Tensor):
                raise Unsupported(f"{call.target} returns something other than tensors")
            extents = list(zip(*(tuple(n.meta["val"][k].shape) for n in self.column)))
            part = self.add("extern", "part", (several,), extents, value[k].dtype, part=k)
            parts.append(part)
        return parts


def _nodes(tree: Any) -> list[Node]:
    if isinstance(tree, Node):
        return [tree]
    return [n for t in tree for n in _nodes(t)] if isinstance(tree, (list, tuple)) else []
