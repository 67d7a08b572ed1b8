"""``.. exported:: package``: what a package exports, as a summary and in full.

The option ``:elsewhere: package.name`` names what another page has in full.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList


class Exported(Directive):
    """The names in ``__all__`` of a package, documented by autodoc."""

    required_arguments = 1
    option_spec = {"elsewhere": str.split}  # noqa: RUF012 - docutils reads the attribute of the class

    def run(self) -> list[nodes.Node]:
        """Parse a table of the names and the text of each."""
        package = self.arguments[0]
        module = importlib.import_module(package)
        names = [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))]
        elsewhere = {path.rpartition(".")[2]: path for path in self.options.get("elsewhere", [])}
        lines = [f".. currentmodule:: {package}", "", ".. list-table::", ""]
        for name in names:
            says = _first_line(getattr(module, name))
            path = elsewhere.get(name, f"{package}.{name}")
            lines += [f"   * - :obj:`{name} <{path}>`", f"     - {says}"]
        for name in names:
            if name in elsewhere:
                continue
            value = getattr(module, name)
            if callable(value):
                lines += ["", f".. {_directive(value)}:: {package}.{name}"]
            else:
                lines += ["", f".. py:data:: {name}", f"   :value: {value!r}"]
        node = nodes.container()
        self.state.nested_parse(StringList([*lines, ""], source=package), 0, node)
        return node.children


def _first_line(value: Any) -> str:
    if not callable(value):
        return f"``{value!r}``"
    return (inspect.getdoc(value) or "").partition("\n")[0]


def _directive(value: Any) -> str:
    if inspect.isclass(value):
        return "autoexception" if issubclass(value, BaseException) else "autoclass"
    return "autofunction"


def _escape_shapes(*event: Any) -> None:
    """A star in a shape, ``(*batch, n, d)``, is no emphasis; inside literals it stays as it is."""
    lines: list[str] = event[-1]
    for k, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("``")
            parts[::2] = [re.sub(r"(?<=[\[(])\*(?=[a-z])", r"\\*", part) for part in parts[::2]]
            lines[k] = "``".join(parts)


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("exported", Exported)
    app.connect("autodoc-process-docstring", _escape_shapes, priority=100)
    return {"parallel_read_safe": True}
