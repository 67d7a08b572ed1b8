"""A verifier that walks over the candidate's syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mercer.lab.candidate import Candidate
from mercer.lab.problem import Problem
from mercer.lab.verify.idle import idle
from mercer.lab.verify.names import Names, imported
from mercer.lab.verify.rules import CONFIGURED, PATCHED, TEXTS, USED
from mercer.lab.verify.verifier import Opinion

OVERRIDES = ("__torch_function__", "__torch_dispatch__")


class StaticVerifier:
    """Refuse what a kernel has no business with, and kernels that leave the work to torch.

    It reads names, so a text that hides them well passes; the check does not depend on it. What it
    saves is time, and it says plainly what is not allowed.

    Examples
    --------
    >>> from mercer.lab import Candidate
    >>> StaticVerifier()(None, Candidate("import time", "torch")).reason
    'line 1 uses time: a kernel needs no clock'
    """

    def __call__(self, problem: Problem | None, candidate: Candidate) -> Opinion:
        """Return an opinion with the first finding."""
        try:
            tree = ast.parse(candidate.source)
        except SyntaxError as error:
            return Opinion(False, f"line {error.lineno} is not Python: {error.msg}")
        for finding in findings(tree):
            return Opinion(False, finding)
        if candidate.language != "torch":
            finding = idle(tree, problem)
            if finding:
                return Opinion(False, finding)
        return Opinion(True, "nothing that a kernel has no business with")


def findings(tree: ast.Module) -> Iterator[str]:
    """Yield a sentence for each use of what `rules` forbids, in the order of the text."""
    names = Names(tree)
    found = [(line, f"uses {name}", name) for name, line in imported(tree)]
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            name = names.dotted(node)
            found.append((node.lineno, f"uses {name.removeprefix('?.')}", name))
    told = [(line, f"{text}: {r.subject}") for line, text, n in found for r in USED if r.matches(n)]
    told += [(line, text) for line, text in _patches(tree, names)]
    told += [(line, text) for line, text in _subclasses(tree, names)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = [w for w in node.value.split() if TEXTS.matches(w)]
            told += [(node.lineno, f"names {word}: {TEXTS.subject}") for word in words[:1]]
    for line, text in sorted(told):
        yield f"line {line} {text}"


def _patches(tree: ast.Module, names: Names) -> Iterator[tuple[int, str]]:
    """Find assignments to attributes of modules and classes that are not the candidate's."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, (ast.Assign, ast.Delete)):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets = [node.target]
        elif (
            isinstance(node, ast.Call)
            and node.args
            and names.dotted(node.func) in ("setattr", "delattr", "object.__setattr__")
        ):
            targets = [ast.copy_location(ast.Attribute(node.args[0], "*", ast.Store()), node)]
        for target in targets:
            if isinstance(target, ast.Subscript):
                target = target.value
                if isinstance(target, ast.Name):
                    continue
            name = names.dotted(target)
            foreign = isinstance(target, ast.Attribute) and PATCHED.matches(name)
            if foreign and not name.startswith(CONFIGURED):
                yield target.lineno, f"assigns to {name}: {PATCHED.subject}"


def _subclasses(tree: ast.Module, names: Names) -> Iterator[tuple[int, str]]:
    """Find classes that pose as tensors."""
    sentence = "outputs must be plain tensors that hold their numbers"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            bases = [names.dotted(base) for base in node.bases]
            poses = [b for b in bases if b in ("torch.Tensor", "torch.nn.Parameter")]
            if poses:
                yield node.lineno, f"derives from {poses[0]}: {sentence}"
        elif isinstance(node, ast.FunctionDef) and node.name in OVERRIDES:
            yield node.lineno, f"defines {node.name}: {sentence}"
