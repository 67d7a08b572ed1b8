"""The text of a candidate in Triton: kernels, and the module that launches them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from mercer.lab.candidate import Candidate
from mercer.lab.templates.axis import Axis
from mercer.lab.templates.dialect import HELPERS
from mercer.lab.templates.extent import Unsupported, product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.module import HOLD, Module
from mercer.lab.templates.triton_product import is_long_product, product_kernel, product_launch
from mercer.lab.templates.triton_writer import TritonWriter
from mercer.lab.templates.writer import Kernel

TRITON_HEAD = '''import math

import torch
import triton
import triton.language as tl
from torch import nn


def up(n):
    """The least power of two that is not below n."""
    return triton.next_power_of_2(n)


def launch(held, name, kernel, programs, arrays, constants, warps):
    """Launch a kernel; remember how, to be able to do it again without the compiler."""
    compiled = kernel[(programs,)](*arrays, **constants, num_warps=warps)
    if compiled is not None:
        held[name] = compiled[(programs, 1, 1)], tuple(constants.values())
'''
DEVICES = '''

PROCESSORS = {}


def processors(device):
    """How many multiprocessors the device has."""
    if device not in PROCESSORS:
        cuda = device.type == "cuda"
        count = torch.cuda.get_device_properties(device).multi_processor_count if cuda else 2
        PROCESSORS[device] = count
    return PROCESSORS[device]
'''
EMPTY = '''

def empty(shape, dtype, device):
    """Memory for an array."""
    return torch.empty(shape, dtype=dtype, device=device)
'''


class TritonModule(Module):
    """A candidate in Triton."""

    language = "triton"

    def candidate(self) -> Candidate:
        """Return the whole text."""
        kernels: list[Kernel] = []
        body: list[str] = []
        for step in self.plan.steps:
            tiling = self.plan.schedule.tiling(step.name)
            if step.layout is None:
                node = step.roots[0]
                if not self._long(node):
                    body += self._with_numbers(partial(self.operator, node))
                    continue
                kernels.append(product_kernel(node, tiling))
                body += self._with_numbers(partial(self._product, node, kernels[-1]))
                continue
            if tiling.form == "split" and not step.layout.cuttable:
                raise Unsupported(f"{step.name} cannot be cut among programs")
            writer = TritonWriter(step.layout, tiling, self.plan.stored)
            kernel = writer.kernel(f"kernel_{step.name}")
            kernels.append(kernel)
            body += self._with_numbers(partial(self.launch, kernel))
        direct = self.plan.schedule.direct and len(kernels) == len(self.plan.steps)
        lines = [*self.constructor("self.held = {}"), ""]
        arguments = ", ".join(a.name for a in self.graph.arguments)
        forward = [*self.prologue(), *(self._again(kernels) if direct else ["held = {}"])]
        forward += ["acc = tl.float64 if dtype == torch.float64 else tl.float32"]
        forward += [*body, *(self._remember(kernels) if direct else []), self.result()]
        lines += [f"def forward(self, {arguments}):", *(f"    {line}" for line in forward)]
        texts = [t for k in kernels for t in ([k.source] + ([k.finish.source] if k.finish else []))]
        text = "\n\n\n".join(texts)
        helpers = "".join(
            "\n" + HELPERS[h] for h in HELPERS if re.search(rf"(?<![.\w]){h}\b", text)
        )
        module = "\n".join(["class ModelNew(nn.Module):", *(f"    {x}".rstrip() for x in lines)])
        devices = DEVICES if "processors(" in module else ""
        devices += EMPTY if direct else ""
        parameters = HOLD if self.graph.parameters else ""
        source = (
            f"{self.title()}{TRITON_HEAD}{devices}{parameters}{helpers}\n\n{text}\n\n\n{module}\n"
        )
        return Candidate(source, "triton", self.graph.problem)

    def _long(self, node: Node) -> bool:
        fused = self.plan.schedule.joined
        return fused and is_long_product(node, self.graph, self.plan.stored, self.plan.size)

    def _product(self, node: Node, kernel: Kernel) -> list[str]:
        x, y = node.sources
        numbers = [self.number(e) for e in (*x.shape, y.shape[1])]
        return product_launch(node, kernel, numbers, self.empty(node))

    def _made(self, kernels: list[Kernel]) -> list[str]:
        """Names of the arrays that a call allocates, kernel by kernel."""
        names: list[str] = []
        for kernel in kernels:
            names += [node.name for node in kernel.written]
            names += [f"{kernel.name}_s{k}" for k in range(len(kernel.states))]
            names += [node.name for node in (kernel.finish.written if kernel.finish else [])]
        return names

    def _again(self, kernels: list[Kernel]) -> list[str]:
        """A call with the shapes of an earlier one: allocate and launch, nothing else."""
        each = [f"{a.name}.shape, {a.name}.dtype, {a.name}.data_ptr() % 16" for a in self.arrays]
        lines = []
        for kernel in kernels:
            for part in [kernel, *([kernel.finish] if kernel.finish else [])]:
                new = [node.name for node in part.written]
                states = [f"{kernel.name}_s{k}" for k in range(len(kernel.states))]
                new += states if part is kernel else []
                lines += [f"    {n} = empty(*shapes[{n!r}])" for n in new]
                given = ", ".join([*part.arrays, *states])
                lines += [
                    f"    run, constants = held[{part.name!r}]",
                    f"    run({given}, *constants)",
                ]
        lines = [
            f"key = ({', '.join(each)}, device)",
            "held = self.held.get(key)",
            "if held:",
            "    shapes = held['shapes']",
            *lines,
            f"    {self.result()}",
            "held = {}",
        ]
        return lines

    def _remember(self, kernels: list[Kernel]) -> list[str]:
        shapes = ", ".join(f"{n!r}: ({n}.shape, {n}.dtype, device)" for n in self._made(kernels))
        return ["if held:", f"    held['shapes'] = {{{shapes}}}", "    self.held[key] = held"]

    def _with_numbers(self, write: Callable[[], list[str]]) -> list[str]:
        self.lines = []
        lines = write()
        return [*self.lines, *lines]

    def launch(self, kernel: Kernel) -> list[str]:
        """The statements that allocate a kernel's results and launch it."""
        lines = [self.empty(node) for node in kernel.written]
        tiling = kernel.tiling
        rows = self._count(kernel.rows)
        columns = [self._count(space) for space in kernel.spaces]
        blocks, tile = [], "1"
        whole = tiling.form == "whole" or not kernel.passes
        for c in columns:
            limit = f"up({c})"
            if not kernel.passes:
                most = tiling.block if kernel.lane else tiling.entries
                if kernel.rows and not kernel.lane:
                    most = min(tiling.block, tiling.entries)
                limit = f"min({most}, up({c}))"
            elif not whole:
                limit = f"min({tiling.block}, up({c}))"
            blocks.append(limit)
        length = self.number(kernel.lane.extent) if kernel.lane else rows
        if kernel.rows and whole and kernel.lane is None:
            longest = f"max({', '.join(f'block{k}' for k in range(len(blocks)))}, 1)"
            tile = f"max(1, min({tiling.entries} // {longest}, up({length})))"
        elif kernel.rows:
            tile = f"min({tiling.rows}, up({length}))"
        blocks = [self._held(lines, f"block{k}", b) for k, b in enumerate(blocks)]
        lines.append(f"rows = {tile}")
        parts = "1"
        if kernel.states:
            parts = self._held(lines, "parts", f"min({tiling.parts}, -(-{columns[0]} // block0))")
        elif not kernel.passes:
            parts = self._held(lines, "parts", f"-(-{columns[0]} // block0)")
        tiles = f"-(-{length} // rows)"
        if kernel.lane is not None:
            tiles = f"{self._count([a for a in kernel.rows if a != kernel.lane])} * {tiles}"
        lines.append(f"tiles = {tiles} * {parts}")
        for k, kind in enumerate(kernel.states):
            dtype = "wide" if kind == "float" else "torch.int64"
            lines.append(
                f"{kernel.name}_s{k} = torch.empty(({rows}, {parts}), dtype={dtype}, device=device)"
            )
        states = [f"{kernel.name}_s{k}" for k in range(len(kernel.states))]
        lines += self._call(kernel, [*kernel.arrays, *states], blocks, parts)
        if kernel.finish is not None:
            finish = kernel.finish
            lines += [self.empty(node) for node in finish.written]
            lines += ["block0 = up(parts)", f"rows = max(1, min(1024 // block0, up({rows})))"]
            lines.append(f"tiles = -(-{rows} // rows)")
            lines += self._call(finish, [*finish.arrays, *states], ["block0"], parts)
        return lines

    def _count(self, axes: list[Axis]) -> str:
        return self.number(product([a.extent for a in axes], self.graph.sizes))

    def _held(self, lines: list[str], name: str, text: str) -> str:
        lines.append(f"{name} = {text}")
        return name

    def _call(self, kernel: Kernel, arrays: list[str], blocks: list[str], parts: str) -> list[str]:
        tiling, programs = kernel.tiling, kernel.tiling.programs
        constants = [f"{name}={self.number(e)}" for e, name in kernel.extents.items()]
        constants += [f"{name}={self.number(v)}" for v, name in kernel.numbers.items()]
        constants += ["ACC=acc", "ROWS=rows"]
        constants += [f"BLOCK{k}={b}" for k, b in enumerate(blocks)]
        constants += [f"PARTS={parts}", "TILES=tiles", f"STAGES={tiling.stages}"]
        grid = f"min(tiles, {programs} * processors(device))" if programs else "tiles"
        given = ", ".join(arrays) + ("," if len(arrays) == 1 else "")
        return [
            f"launch(held, {kernel.name!r}, {kernel.name}, {grid}, ({given}), "
            f"dict({', '.join(constants)}), {tiling.warps})"
        ]
