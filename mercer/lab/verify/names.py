"""What the names in a Python text stand for, as far as its imports and assignments say."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator


class Names:
    """Dotted names of expressions: ``F.softmax`` is ``torch.nn.functional.softmax``.

    Parameters
    ----------
    tree : ast.AST

    Examples
    --------
    >>> tree = ast.parse("from time import perf_counter as now; clock = now; clock()")
    >>> Names(tree).dotted(tree.body[-1].value.func)
    'time.perf_counter'
    """

    def __init__(self, tree: ast.AST) -> None:
        self._known: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for a in node.names:
                    self._known[a.asname or a.name.split(".")[0]] = (
                        a.name if a.asname else a.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module:
                for a in node.names:
                    self._known[a.asname or a.name] = f"{node.module}.{a.name}"
        bound = _bound(tree)
        self._builtin = {name for name in dir(builtins) if name not in bound}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Name, ast.Attribute)):
                target, value = node.targets[0], self.dotted(node.value)
                if isinstance(target, ast.Name) and not value.startswith("?"):
                    self._known.setdefault(target.id, value)

    def dotted(self, node: ast.AST) -> str:
        """Return the dotted name of an expression; ``?`` for what the text itself makes."""
        if isinstance(node, ast.Name):
            return self._known.get(node.id, node.id if node.id in self._builtin else "?")
        if isinstance(node, ast.Attribute):
            return f"{self.dotted(node.value)}.{node.attr}"
        return "?"


def _bound(tree: ast.AST) -> set[str]:
    """Return the names that the text itself gives to something."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
    return found


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the dotted names that are imported, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((a.name, node.lineno) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield from ((f"{base}.{a.name}", node.lineno) for a in node.names)
