"""Which arrays had better be computed once than where they are read."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mercer.lab.templates.graph import Graph, Node

COSTLY = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "pow", "sin", "cos", "tanh", "sigmoid",
    "erf",
}  # fmt: skip
MANY = 8  # readers' entries for each entry


def tables(graph: Graph, *, size: str) -> tuple[str, ...]:
    """Costly functions of positions and parameters alone, far fewer than what reads them."""
    at = graph.names.index(size)
    free: set[str] = set()  # of the call's inputs
    for node in graph.nodes:
        own = node.kind in ("full", "iota", "point", "view") or node in graph.parameters.values()
        if own and all(source.name in free for source in node.sources):
            free.add(node.name)

    def entries(node: Node) -> int:
        return math.prod(extent[at] for extent in node.shape)

    def readers(node: Node) -> Iterator[Node]:
        for user in graph.users[node.name]:
            yield user
            if user.kind == "view":
                yield from readers(user)

    return tuple(
        node.name
        for node in graph.nodes
        if node.name in free and node.op in COSTLY
        and sum(extent[at] > 1 for extent in node.shape) > 1
        and any(entries(user) >= MANY * entries(node) for user in readers(node))
    )  # fmt: skip
