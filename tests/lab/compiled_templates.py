"""Compiles candidates' kernels for an H100 without one; started by `test_templates_triton`."""

import json
import os
import sys

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from mercer.lab.problems import find
from mercer.lab.templates import emit, fused, trace

KINDS = {torch.float32: "*fp32", torch.int64: "*i64", torch.bool: "*i1"}
LAWS = {"index": torch.int64, "mask": torch.bool}


def vector_loads(problem, path):
    """How many 128-bit loads each kernel has, at the size of the race."""
    graph = trace(problem)
    candidate = emit(graph, fused(graph, size="race"), size="race")
    with open(path, "w") as file:
        file.write(candidate.source)
    module = {"__name__": "candidate", "__file__": path}
    exec(compile(candidate.source, path, "exec"), module)
    found = {}

    def launch(held, name, kernel, programs, arrays, constants, warps):
        signature = {n: KINDS[a.dtype] for n, a in zip(kernel.arg_names, arrays)}
        signature |= dict.fromkeys(constants, "constexpr")
        aligned = {(k,): [["tt.divisibility", 16]] for k in range(len(arrays))}
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=aligned)
        made = triton.compile(
            source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps}
        )
        lines = made.asm["ptx"].splitlines()
        found[f"{problem.name} {name}"] = sum("ld.global" in x and ".v4" in x for x in lines)

    module["launch"] = launch
    size = problem.size("race")
    with torch.device("meta"), torch.no_grad():
        model = module["ModelNew"](*problem.initial(*size))
        arguments = problem.arguments(*size)
        model(*(torch.empty(a.shape, dtype=LAWS.get(a.law, torch.float32)) for a in arguments))
    return found


if __name__ == "__main__":
    folder, *names = sys.argv[1:]
    loads = {}
    for name in names:
        loads |= vector_loads(find(name), os.path.join(folder, f"{name}.py"))
    print(json.dumps(loads))
