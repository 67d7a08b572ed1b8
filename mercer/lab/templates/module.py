"""What candidates of all languages share: parameters, extents, allocation, operators."""

from __future__ import annotations

from typing import Any

import torch

from mercer.lab.candidate import Candidate
from mercer.lab.templates.extent import Extent, Formulas
from mercer.lab.templates.graph import Graph, Node
from mercer.lab.templates.plan import Plan, base, plan
from mercer.lab.templates.schedule import Schedule

HOLD = '''

def hold(module, name, tensor, trainable):
    """Give a module a parameter or buffer under a dotted name."""
    *path, last = name.split(".")
    for part in path:
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module._modules[part]
    if trainable:
        module.register_parameter(last, nn.Parameter(tensor))
    else:
        module.register_buffer(last, tensor)
'''


def emit(graph: Graph, schedule: Schedule, *, size: str) -> Candidate:
    """Write the candidate that a schedule describes.

    Parameters
    ----------
    graph : Graph
    schedule : Schedule
    size : str
        The size that it should be fast at; it is right at all.
    """
    if schedule.language == "cpp":
        from mercer.lab.templates.cpp_module import emit_cpp

        return emit_cpp(plan(graph, schedule, size=size))
    from mercer.lab.templates.triton_module import TritonModule

    return TritonModule(plan(graph, schedule, size=size)).candidate()


class Module:
    """What candidates of both languages share: parameters, extents, allocation, operators.

    Parameters
    ----------
    plan : Plan
    """

    language = "torch"

    def __init__(self, plan: Plan) -> None:
        self.plan, self.graph = plan, plan.graph
        self.arrays = [*self.graph.parameters.values(), *self.graph.arguments]
        known: dict[str, Extent] = {}
        for node in self.arrays:
            for k, extent in enumerate(node.shape):
                known[f"{node.name}.shape[{k}]"] = extent
        for k, extent in enumerate(self.graph.initial):
            known[f"self.numbers[{k}]"] = extent
        self.formulas = Formulas(known)
        for node in self.graph.nodes:
            self.formulas.learn(node.shape)
        self.names: dict[Any, str] = {}
        self.lines: list[str] = []

    def number(self, values: Any) -> str:
        """The text of a number, named on first use if it varies with the size."""
        if not isinstance(values, tuple):
            return repr(values)
        if len(set(values)) == 1:
            return repr(values[0])
        if values not in self.names:
            self.names[values] = f"n{len(self.names)}"
            self.lines.append(f"{self.names[values]} = {self.formulas(values)}")
        return self.names[values]

    def shape(self, shape: tuple[Extent, ...]) -> str:
        """The text of a shape."""
        return "(" + "".join(f"{self.number(e)}, " for e in shape).rstrip() + ")"

    def viewed(self, node: Node) -> str:
        """The text of an array that is a view of one in memory."""
        if node.kind != "view" or node.name in self.plan.stored:
            return node.name
        source = self.viewed(node.inputs[0])
        if node.op == "permute":
            return f"{source}.permute({', '.join(map(str, node.attributes['axes']))})"
        return f"{source}.{node.op}({self.shape(node.shape)})"

    def empty(self, node: Node) -> str:
        """The statement that allocates an array."""
        if node.dtype.is_floating_point:
            kept = node in self.graph.outputs or self._feeds_operator(node)
            dtype = "dtype" if kept else "wide"
        else:
            dtype = str(node.dtype)
        return f"{node.name} = torch.empty({self.shape(node.shape)}, dtype={dtype}, device=device)"

    def _feeds_operator(self, node: Node) -> bool:
        return any(
            user.kind == "extern" and any(base(s) is node for s in user.sources)
            for user in self.graph.nodes
        )

    def operator(self, node: Node) -> list[str]:
        """The statements of an operator that stays PyTorch's."""
        if node.op == "part":
            return [f"{node.name} = {node.inputs[0].name}[{node.attributes['part']}].contiguous()"]
        target = node.attributes["target"]
        arguments = [self.tree(a) for a in node.attributes["arguments"]]
        arguments += [f"{k}={self.tree(v)}" for k, v in node.attributes["keywords"].items()]
        several = not node.shape and any(
            u.op == "part" and u.inputs[0] is node for u in self.graph.nodes
        )
        end = "" if several else ".contiguous()"
        return [f"{node.name} = torch.ops.{target}({', '.join(arguments)}){end}"]

    def tree(self, value: Any) -> str:
        """The text of an operator's argument."""
        if isinstance(value, Node):
            return self.viewed(value)
        if isinstance(value, list):
            return f"[{', '.join(self.tree(v) for v in value)}]"
        if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)):
            return str(value)
        return self.number(value)

    def constructor(self, held: str) -> list[str]:
        """The lines of `__init__`."""
        lines = ["def __init__(self, *initial):", "    super().__init__()"]
        places = [f"initial[{']['.join(str(p) for p in place)}]" for place in self.graph.places]
        lines.append(f"    self.numbers = [{', '.join(places)}]")
        numbers = {f"self.numbers[{k}]": e for k, e in enumerate(self.graph.initial)}
        formulas = Formulas(numbers)
        for name, node in self.graph.parameters.items():
            shape = "".join(f"{formulas(e)}, " for e in node.shape)
            make = f"torch.empty(({shape}), dtype={node.dtype})"
            if not node.dtype.is_floating_point:
                make = f"torch.zeros(({shape}), dtype={node.dtype})"
            trainable = name in self.graph.trainable
            lines.append(f"    hold(self, {name!r}, {make}, {trainable})")
        return [*lines, *([f"    {held}"] if held else [])]

    def prologue(self) -> list[str]:
        """The first lines of `forward`: everything contiguous, dtypes and device."""
        lines = []
        for name, node in self.graph.parameters.items():
            at = "self"
            for part in name.split("."):
                at = f"{at}.{part}" if part.isidentifier() else f"getattr({at}, {part!r})"
            lines.append(f"{node.name} = {at}.detach().contiguous()")
        lines += [f"{a.name} = {a.name}.detach().contiguous()" for a in self.graph.arguments]
        lines.append(f"device = {self.arrays[-1].name}.device")
        real = [a.name for a in self.graph.arguments if a.dtype.is_floating_point]
        real = real or [a.name for a in self.arrays if a.dtype.is_floating_point]
        lines.append(f"dtype = {real[0]}.dtype" if real else "dtype = torch.float32")
        lines.append("wide = torch.float64 if dtype == torch.float64 else torch.float32")
        return lines

    def result(self) -> str:
        """The last line of `forward`."""
        names = ", ".join(node.name for node in self.graph.outputs)
        return f"return {names}" if self.graph.single else f"return ({names},)"

    def title(self) -> str:
        """The docstring of the candidate."""
        summary = self.graph.summary.replace('"', "'")
        return f'"""{self.graph.problem}: {summary}"""\n'
