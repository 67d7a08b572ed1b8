"""A problem's reference as a graph of array operations, the same graph at every size."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions, get_decompositions
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from mercer.lab.problem import Problem
from mercer.lab.templates.extent import Extent, Unsupported
from mercer.lab.templates.graph import Graph, Node
from mercer.lab.templates.operators import Operators

aten = torch.ops.aten
TRACING = threading.Lock()  # make_fx patches modules of torch while it runs

DECOMPOSED = [
    aten.native_layer_norm,
    aten.native_group_norm,
    aten._softmax,
    aten._log_softmax,
    aten.gelu,
    aten.silu,
    aten.mish,
    aten.nll_loss_forward,
    aten.mse_loss,
    aten.huber_loss,
    aten.smooth_l1_loss,
    aten.binary_cross_entropy,
    aten.binary_cross_entropy_with_logits,
    aten._native_batch_norm_legit_no_training,
    aten.native_batch_norm,
    aten._native_batch_norm_legit,
    aten._native_batch_norm_legit_functional,
    aten.upsample_bilinear2d,
]
KEPT = [aten._cdist_forward.default, aten.var_mean.correction, aten.var.correction]


def trace(problem: Problem) -> Graph:
    """Trace the reference at every size of the problem, without computing anything.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Graph
        An extent in it lists the problem's sizes in the order of ``problem.sizes``.

    Raises
    ------
    Unsupported
        Where the sizes lead to different programs, or the module holds tensors that are not in its
        state dict.
    """
    with TRACING:
        traced = [_trace(problem, size) for size in problem.sizes]
    modules = [module for module, _ in traced]
    graphs = [graph for _, graph in traced]
    if len({len(g) for g in graphs}) > 1:
        raise Unsupported(f"{problem.name} runs different operators at different sizes")
    states = [_state(module) for module in modules]
    lowering = Operators(len(graphs))
    inputs = list(states[0])
    arguments: list[Node] = []
    parameters: dict[str, Node] = {}
    outputs: list[Any] = []
    for column in zip(*graphs):
        op = column[0].op
        if op == "placeholder":
            k = len(arguments) + len(parameters)
            if k < len(inputs):
                parameters[inputs[k]] = lowering.input(column, f"w{k}")
            else:
                arguments.append(lowering.input(column, f"x{len(arguments)}"))
        elif op == "get_attr":
            raise Unsupported(f"{problem.name} holds a tensor that is not in its state dict")
        elif op == "output":
            outputs = column[0].args[0]
        else:
            if len({str(n.target) for n in column}) > 1:
                raise Unsupported(f"{problem.name} runs different operators at different sizes")
            lowering.operation(column)
    single = not isinstance(outputs, (list, tuple))
    results = [lowering.results[n] for n in ([outputs] if single else outputs)]
    if not all(isinstance(r, Node) for r in results):
        raise Unsupported(f"{problem.name} returns something other than tensors")
    initial, places = _numbers(problem)
    trainable = frozenset(name for name, _ in modules[0].named_parameters())
    return Graph(
        problem.name,
        problem.summary,
        _needed(lowering.nodes, results),
        results,
        single,
        arguments,
        parameters,
        trainable,
        initial,
        places,
        tuple(problem.sizes),
    )


def _trace(problem: Problem, size: str) -> tuple[nn.Module, list[Any]]:
    numbers = problem.size(size)
    with FakeTensorMode(), torch.no_grad(), torch.random.fork_rng(devices=[]):
        module = problem.module(*problem.initial(*numbers))
        arguments = [torch.empty(a.shape, dtype=_dtype(a.law)) for a in problem.arguments(*numbers)]
        state = _state(module)

        def call(*tensors: Tensor) -> Any:
            held = dict(zip(state, tensors))
            return torch.func.functional_call(module, held, tensors[len(state) :])

        table = dict(core_aten_decompositions())
        table |= get_decompositions(DECOMPOSED)
        for kept in KEPT:
            table.pop(kept, None)
        pure = torch.func.functionalize(call, remove="mutations_and_views")
        traced = make_fx(pure, decomposition_table=table)(*state.values(), *arguments)
    traced.graph.eliminate_dead_code()
    return module, list(traced.graph.nodes)


def _state(module: nn.Module) -> dict[str, Tensor]:
    held = dict(module.named_parameters()) | dict(module.named_buffers())
    return {name: held[name] for name in module.state_dict(keep_vars=True)}


def _dtype(law: str) -> torch.dtype:
    return {"index": torch.int64, "mask": torch.bool}.get(law, torch.float32)


def _numbers(problem: Problem) -> tuple[list[Extent], list[tuple[int, ...]]]:
    """The integers among the constructor's arguments, and where they stand."""
    rows = [_flat(problem.initial(*problem.size(size))) for size in problem.sizes]
    places = [place for place in rows[0] if all(place in row for row in rows)]
    return [tuple(row[place] for row in rows) for place in places], places


def _flat(arguments: tuple[Any, ...]) -> Mapping[tuple[int, ...], int]:
    found: dict[tuple[int, ...], int] = {}
    for i, value in enumerate(arguments):
        if isinstance(value, int) and not isinstance(value, bool):
            found[(i,)] = value
        elif isinstance(value, (list, tuple)):
            found |= {(i, k): v for k, v in enumerate(value) if type(v) is int}
    return found


def _needed(nodes: list[Node], results: list[Node]) -> list[Node]:
    wanted = {node.name for node in results}
    for node in reversed(nodes):
        if node.name in wanted:
            wanted |= {source.name for source in node.sources}
    return [node for node in nodes if node.name in wanted or node.kind == "input"]
