"""A function as a straight line of operators, stretches of which can be replaced."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

Span = tuple[int, int]  # first and last of `operator_nodes`
Wrap = Callable[[fx.GraphModule], Callable[..., Any]]


def capture(function: Callable[..., Any], inputs: Sequence[Any]) -> fx.GraphModule:
    """Run a function once and write down its operators, without gradients.

    Branches are those of this run; the tensors that it closes over, such as parameters, are
    shared, not copied.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: fx.GraphModule = make_fx(lambda *args: function(*args))(*inputs)
    return module


def operator_nodes(module: fx.GraphModule) -> list[fx.Node]:
    """The calls of operators, in order: each is one outermost operator in a trace."""
    return [
        node
        for node in module.graph.nodes
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)
    ]


def operator_name(node: fx.Node) -> str:
    """As a trace names it: ``aten::add``."""
    return str(node.target._schema.name)  # type: ignore[union-attr]


def replaced(module: fx.GraphModule, spans: Sequence[Span], wrap: Wrap) -> fx.GraphModule:
    """Cut stretches of operators out and call what `wrap` makes of them instead.

    Parameters
    ----------
    module : GraphModule
        From `capture`; stays as it is.
    spans : sequence of (int, int)
        First and last operator of each stretch, by place in `operator_nodes`; disjoint.
    wrap : callable
        A stretch in, as a module that returns a tuple; something that computes the same out.

    Raises
    ------
    ValueError
        If a stretch changes one of its arguments in place: it could not be told from outside.
    """
    nodes = list(module.graph.nodes)
    calls = operator_nodes(module)
    outer = fx.Graph()
    mapped: dict[fx.Node, fx.Node] = {}
    root = nn.Module()
    for name, value in _attributes(module):
        setattr(root, name, value)
    begins = {nodes.index(calls[first]): (first, last) for first, last in spans}
    k = 0
    while k < len(nodes):
        if k not in begins:
            mapped[nodes[k]] = outer.node_copy(nodes[k], lambda n: mapped[n])
            k += 1
            continue
        first, last = begins[k]
        stop = nodes.index(calls[last]) + 1
        # What takes an operator's several results apart belongs to it.
        while stop < len(nodes) and "getitem" in str(nodes[stop].target):
            stop += 1
        inside = nodes[k:stop]
        inner, arguments, results = _stretch(module, inside)
        name = f"stretch_{first}"
        root.add_module(name, _Call(wrap(inner)))
        call = outer.call_module(name, tuple(mapped[a] for a in arguments))
        for place, result in enumerate(results):
            mapped[result] = outer.call_function(_item, (call, place))
        for node in inside:
            if node.op == "get_attr":
                mapped[node] = outer.node_copy(node, lambda n: mapped[n])
        k = stop
    return fx.GraphModule(root, outer)


def _item(values: tuple[Any, ...], place: int) -> Any:
    return values[place]


class _Call(nn.Module):
    """A function as a module, so that a graph can call it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = (function,)  # in a tuple, lest a module be registered and traced into

    def forward(self, *args: Any) -> Any:
        return self._function[0](*args)


def _stretch(
    module: fx.GraphModule, inside: Sequence[fx.Node]
) -> tuple[fx.GraphModule, list[fx.Node], list[fx.Node]]:
    """A module of some nodes, the nodes that it needs and those that are needed of it."""
    own = set(inside)
    for node in inside:
        if isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable:
            raise ValueError(
                f"the stretch to be fused writes in place ({operator_name(node)}); write the "
                "function without operators that end in an underscore"
            )
    constants = {n for n in module.graph.nodes if n.op == "get_attr"}
    needed = dict.fromkeys(a for node in inside for a in node.all_input_nodes if a not in own)
    arguments = [node for node in needed if node not in constants]
    results = [
        node
        for node in inside
        if node not in constants and any(user not in own for user in node.users)
    ]
    graph = fx.Graph()
    mapped: dict[fx.Node, fx.Node] = {}
    for argument in arguments:
        mapped[argument] = graph.placeholder(argument.name)
    # Constants stay constants inside: as arguments, a CUDA graph would copy them at every call.
    for node in needed:
        if node in constants:
            mapped[node] = graph.node_copy(node, lambda n: mapped[n])
    for node in inside:
        mapped[node] = graph.node_copy(node, lambda n: mapped[n])
    graph.output(tuple(mapped[node] for node in results))
    return fx.GraphModule(module, graph), arguments, results


def _attributes(module: fx.GraphModule) -> list[tuple[str, Tensor]]:
    """The tensors that the graph closes over, by name."""
    names = dict.fromkeys(str(n.target) for n in module.graph.nodes if n.op == "get_attr")
    return [(name, getattr(module, name)) for name in names]
