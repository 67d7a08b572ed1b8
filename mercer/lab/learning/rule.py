"""Whether a text is a kernel at all: what can be said without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mercer.lab.candidate import Candidate
from mercer.lab.learning.coverage import exported, kernel_names
from mercer.lab.problem import Problem
from mercer.lab.verify.idle import ARRANGING
from mercer.lab.verify.names import Names
from mercer.lab.verify.static import findings
from mercer.lab.verify.verifier import Opinion


class KernelRule:
    """Accept a text with a kernel of the language that it claims, launched, and the work in it.

    Refused besides: what `mercer.lab.verify.static` finds, and a module that itself calls every
    operator that the reference calls. It reads names: what hides them is left to the check and the
    profile.

    Examples
    --------
    >>> KernelRule()(None, Candidate("class ModelNew: ...", "triton")).reason
    'there is no kernel in triton'

    References
    ----------
    AutoTriton: Automatic Triton Programming with Reinforcement Learning in LLMs,
    https://arxiv.org/abs/2507.05687
    """

    def __call__(self, problem: Problem | None, candidate: Candidate) -> Opinion:
        """Return an opinion with the first finding."""
        try:
            tree = ast.parse(candidate.source)
        except SyntaxError as error:
            return Opinion(False, f"line {error.lineno} is not Python: {error.msg}")
        kernels = kernel_names(candidate)
        if not kernels:
            return Opinion(False, f"there is no kernel in {candidate.language}")
        for finding in findings(tree):
            return Opinion(False, finding)
        if not (kernels | exported(tree)) & _named(tree):
            return Opinion(False, "ModelNew launches no kernel")
        operators = _reference(problem) if problem is not None else set()
        if operators and operators <= _operators(tree):
            told = ", ".join(sorted(operators))
            return Opinion(False, f"the work is left to PyTorch: the module itself calls {told}")
        return Opinion(True, f"a kernel in {candidate.language} is launched")


def _named(tree: ast.Module) -> set[str]:
    """Return the names and attributes read by ModelNew and by the functions that it reads."""
    known = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    waiting, seen = ["ModelNew"], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for part in ast.walk(known[name]) if name in known else ():
            if isinstance(part, ast.Name):
                waiting.append(part.id)
            elif isinstance(part, ast.Attribute):
                waiting.append(part.attr)
    return seen


def _reference(problem: Problem) -> set[str]:
    """Return the last names of the operators that the reference's `forward` calls."""
    tree = ast.parse(problem.source)
    forward = next(
        n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "forward"
    )
    return set(_called(forward, Names(tree))) - ARRANGING


def _operators(tree: ast.Module) -> set[str]:
    """Return the last names of the operators that a text calls outside of its Triton kernels."""
    own = {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    return {name for name in _called(tree, Names(tree)) if name not in ARRANGING | own}


def _called(node: ast.AST, names: Names) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef) and any(
        "triton" in names.dotted(d.func if isinstance(d, ast.Call) else d)
        for d in node.decorator_list
    ):
        return
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            yield node.func.attr
        else:
            yield names.dotted(node.func).rpartition(".")[2]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        yield "matmul"
    for child in ast.iter_child_nodes(node):
        yield from _called(child, names)
