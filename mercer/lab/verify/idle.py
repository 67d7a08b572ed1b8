"""Whether a candidate in Triton, CUDA or C++ does its work there at all."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from mercer.lab.problem import Problem
from mercer.lab.verify.names import Names

COMPILERS = (
    "mercer.lab.native.build",
    "torch.utils.cpp_extension.load_inline",
    "torch.utils.cpp_extension.load",
    "torch.cuda._compile_kernel",
    "cupy.RawKernel",
    "cupy.RawModule",
)
# What allocates, moves or looks at memory: not the work itself.
WORDS = """
empty empty_like empty_strided new_empty zeros zeros_like new_zeros ones ones_like full full_like
new_full arange tensor clone contiguous is_contiguous view reshape flatten expand expand_as
transpose permute t unsqueeze squeeze size stride numel dim to float double half bfloat16 type
device detach item data_ptr save_for_backward apply super __init__ ?
"""
ARRANGING = frozenset(WORDS.split())


def idle(tree: ast.Module, problem: Problem | None) -> str:
    """Return a sentence if `ModelNew` launches no kernel, or falls back; else an empty one."""
    names = Names(tree)
    model = next(
        (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "ModelNew"), None
    )
    if model is None:
        return "there is no class ModelNew"
    reached = list(_reachable(tree, model))
    made = _made(tree, names)
    if not any(_launches(part, *made) for node in reached for part in ast.walk(node)):
        operator = _shared_operator(reached, names, problem)
        instead = f", it calls the reference's own operator {operator}" if operator else ""
        return f"ModelNew launches no kernel{instead}"
    for node in reached:
        for part in ast.walk(node):
            if isinstance(part, ast.Try):
                return f"line {part.lineno} catches errors: a candidate must fail, not fall back"
    return ""


def _reachable(tree: ast.Module, model: ast.ClassDef) -> Iterator[ast.AST]:
    """Yield ModelNew, then the functions and classes that it names, and those that they name."""
    known = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    seen: set[str] = {model.name}
    waiting: list[ast.FunctionDef | ast.ClassDef] = [model]
    while waiting:
        node = waiting.pop()
        yield node
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in known and part.id not in seen:
                seen.add(part.id)
                waiting.append(known[part.id])


def _launches(node: ast.AST, kernels: set[str], makers: set[str], helpers: set[str]) -> bool:
    """Whether an expression calls a kernel: ``kernel[grid](x)``, ``library.f(x)``, ``f(x)``, or has
    a function of the module's own call it: ``launch(library.f, x)``.
    """
    if not isinstance(node, ast.Call):
        return False
    root = _root(node.func)
    if root in kernels or (root in makers and not isinstance(node.func, ast.Name)):
        return True
    return root in helpers and any(
        isinstance(a, (ast.Name, ast.Attribute)) and _root(a) in kernels for a in node.args
    )


def _made(tree: ast.Module, names: Names) -> tuple[set[str], set[str], set[str]]:
    """Return names of kernels, compiled libraries and what is made from these; of functions that
    return such; and of all functions.
    """
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    kernels = {
        f.name
        for f in functions
        if any("triton" in names.dotted(_plain(d)) for d in f.decorator_list)
    }
    makers: set[str] = set()
    before = -1
    while before != len(kernels) + len(makers):  # a library, a function of it, a name for that
        before = len(kernels) + len(makers)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and _holds(node.value, kernels | makers, names):
                kernels |= {_root(target) for target in node.targets} - {"", "self"}
        for f in functions:
            returned = [n.value for n in ast.walk(f) if isinstance(n, ast.Return) and n.value]
            if any(_root(v) in kernels or _compiles(v, names) for v in returned):
                makers.add(f.name)
    return kernels, makers, {f.name for f in functions}


def _holds(value: ast.AST, known: set[str], names: Names) -> bool:
    """Whether an expression has a known name in it or calls a compiler."""
    parts = [p for p in ast.walk(value) if isinstance(p, (ast.Name, ast.Attribute))]
    return any(_root(part) in known for part in parts) or _compiles(value, names)


def _compiles(value: ast.AST, names: Names) -> bool:
    """Whether an expression calls a compiler."""
    calls = [part for part in ast.walk(value) if isinstance(part, ast.Call)]
    return any(names.dotted(call.func) in COMPILERS for call in calls)


def _plain(decorator: ast.expr) -> ast.expr:
    """Return the decorator without its arguments."""
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _root(node: ast.AST) -> str:
    """Return the name that an expression starts from; ``self.f`` starts from ``f``."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        inner = node.func if isinstance(node, ast.Call) else node.value
        own = isinstance(inner, ast.Name) and inner.id == "self"
        if isinstance(node, ast.Attribute) and own:
            return node.attr
        node = inner
    return node.id if isinstance(node, ast.Name) else ""


def _shared_operator(reached: Sequence[ast.AST], names: Names, problem: Problem | None) -> str:
    """Return an operator that both the reference and the candidate call, or an empty name."""
    if problem is None:
        return ""
    reference = ast.parse(problem.source)
    wanted = set(_operators(reference, Names(reference)))
    return next((o for node in reached for o in _operators(node, names) if o in wanted), "")


def _operators(tree: ast.AST, names: Names) -> Iterator[str]:
    """Yield the last parts of the names of what is called, but for what only arranges memory."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            own = (
                node.func.attr if isinstance(node.func, ast.Attribute) else names.dotted(node.func)
            )
            name = own.rpartition(".")[2]
            if name not in ARRANGING:
                yield name
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            yield "matmul"
