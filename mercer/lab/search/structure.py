"""What kind of kernel a problem asks for, read off what its reference does."""

from __future__ import annotations

import functools

from mercer.lab.problem import Problem
from mercer.lab.templates import trace
from mercer.lab.templates.extent import product
from mercer.lab.templates.graph import Graph, Node

FEW = 1024  # rows below which one program each leaves a large GPU idle
PLAIN = ("input", "full", "iota", "point", "view")


@functools.lru_cache(maxsize=256)
def structure(problem: Problem) -> tuple[str, ...]:
    """Return the kinds of kernels, in words; none where the reference cannot be traced.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    tuple of str
        "row reduction" (along what is contiguous), "column reduction", "few rows" (to few
        numbers), "scan", "transposition", or "elementwise" where there is nothing else.

    Examples
    --------
    >>> from mercer.lab.problems import find
    >>> structure(find("softmax")), structure(find("gelu"))
    (('row reduction',), ('elementwise',))
    """
    try:
        graph = trace(problem)
    except Exception:  # it may need real numbers, or do what no graph holds: then its text must do
        return ()
    found = {_kind(node, graph) for node in graph.nodes} - {""}
    if not found and all(node.kind in PLAIN for node in graph.nodes):
        return ("elementwise",)
    return tuple(sorted(found))


def _kind(node: Node, graph: Graph) -> str:
    if node.kind == "scan":
        return "scan"
    if node.kind == "view" and node.op == "permute":
        return "transposition"
    if node.kind != "reduce":
        return ""
    if max(product(node.shape, graph.sizes)) < FEW:
        return "few rows"
    last = len(node.sources[0].shape) - 1
    return "row reduction" if last in node.attributes["axes"] else "column reduction"
