"""Problems written in the file format of KernelBench."""

from __future__ import annotations

import ast
import builtins
import inspect
from pathlib import Path

from mercer.lab.problem import Problem
from mercer.lab.problems.file import FileProblem

LAWS = {
    "normal": "torch.randn({shape})",
    "uniform": "torch.rand({shape})",
    "positive": "0.1 - torch.log1p(-torch.rand({shape}))",
    "probability": "simplex({shape})",
    "index": "torch.randint({high}, {shape})",
    "mask": "torch.rand({shape}) < 0.5",
}
SIMPLEX = '''

def simplex(shape):
    """Uniform on the simplex of the last axis."""
    exponential = -torch.log1p(-torch.rand(shape))
    return exponential / exponential.sum(-1, keepdim=True)
'''


def standalone(problem: Problem) -> str:
    """Return a Python module that defines the reference as class `Model`, and nothing else of ours.

    Raises
    ------
    ValueError
        If the module's text uses names of its file that are not imports.

    Examples
    --------
    >>> from mercer.lab.problems import find
    >>> print(standalone(find("row_sum")).splitlines()[0])
    import torch
    """
    if isinstance(problem, FileProblem):
        return problem.text
    imports, body = _self_contained(problem)
    return f"{imports}\n\n\n{body}\n"


def write_problem(problem: Problem, size: str, path: str | Path) -> None:
    """Write a problem at one size in the public benchmark's format.

    Raises
    ------
    ValueError
        If the module's text is not in a file, or uses names of its file that are not imports.
    """
    numbers = problem.size(size)
    if isinstance(problem, FileProblem):
        Path(path).write_text(problem.text)
        return
    imports, body = _self_contained(problem)
    arguments = problem.arguments(*numbers)
    draws = "".join(
        f"        {LAWS[a.law].format(shape=a.shape, high=a.high)},\n" for a in arguments
    )
    simplex = SIMPLEX if any(a.law == "probability" for a in arguments) else ""
    Path(path).write_text(
        f"{imports}\n\n\n{body}\n{simplex}\n\ndef get_inputs():\n    return [\n{draws}    ]\n"
        f"\n\ndef get_init_inputs():\n    return {list(problem.initial(*numbers))!r}\n"
    )


def _self_contained(problem: Problem) -> tuple[str, str]:
    """Return the imports that the module's class needs, and its text as class `Model`."""
    try:
        source = problem.source
    except (OSError, TypeError) as error:
        raise ValueError(f"the text of {problem.name} is not in a file to copy it from") from error
    defined = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef))
    lines = source.splitlines()
    for part in reversed(defined.body):
        if isinstance(part, ast.FunctionDef) and part.name in ("arguments", "initial"):
            first = min([part.lineno, *(d.lineno for d in part.decorator_list)])
            end = part.end_lineno or first
            behind = end < len(lines) and not lines[end].strip()
            del lines[first - 1 : end + behind]  # with the empty line behind
    head = lines[defined.lineno - 1].replace(f"class {defined.name}", "class Model", 1)
    body = "\n".join([head, *lines[defined.lineno :]])

    tree = ast.parse(body)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {n.id for n in names if isinstance(n.ctx, ast.Store)} | set(vars(builtins))
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    used = {n.id for n in names} - own
    imports = ["import torch"]
    used.discard("torch")
    for node in ast.parse(Path(inspect.getfile(problem.module)).read_text()).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            node.names = [a for a in node.names if (a.asname or a.name) in used]
            used -= {a.asname or a.name for a in node.names}
            imports += [ast.unparse(node)] if node.names else []
    if used:
        raise ValueError(
            f"{problem.name} uses {', '.join(sorted(used))} of its file; "
            "a module that is written out may use only what is imported"
        )
    return "\n".join(imports), body
