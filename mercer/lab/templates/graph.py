"""The program of a problem's reference: which arrays are computed from which."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from mercer.lab.templates.extent import Extent

KINDS = (
    "input",
    "full",
    "iota",
    "point",
    "view",
    "reduce",
    "scan",
    "gather",
    "cat",
    "pad",
    "extern",
)


@dataclass(frozen=True, eq=False)
class Node:
    """One array.

    Parameters
    ----------
    name : str
    kind : str
        One of `KINDS`: an input; a constant; 0, 1, 2, ...; an operation on single entries; another
        order of the same entries; a reduction (reduced axes are dropped); a scan; entries picked by
        an index array; a concatenation; a padding; an operator that stays PyTorch's.
    op : str
        Which operation, such as "add", "permute", "sum".
    inputs : tuple of Node, float or Extent
        Numbers stand where an operation takes them; an `Extent` is a number that varies with size.
    shape : tuple of Extent
    dtype : torch.dtype
        As the reference has it for float32 inputs.
    attributes : dict
        Axes of a reduction, offsets of a slice, and so on.
    """

    name: str
    kind: str
    op: str
    inputs: tuple[Any, ...]
    shape: tuple[Extent, ...]
    dtype: torch.dtype
    attributes: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self.name}: {self.kind} {self.op}"

    @property
    def sources(self) -> list[Node]:
        """The arrays that it is computed from."""
        return [i for i in self.inputs if isinstance(i, Node)]


@dataclass(frozen=True, eq=False)
class Graph:
    """The arrays of a reference in the order of computation.

    Parameters
    ----------
    problem, summary : str
    nodes : list of Node
    outputs : list of Node
    single : bool
        Whether the reference returns one tensor rather than a tuple.
    arguments : list of Node
        The inputs of `forward`.
    parameters : dict of str to Node
        By their names in the state dict.
    trainable : frozenset of str
        Those that are parameters, not buffers.
    initial : list of Extent
        The numbers among the constructor's arguments.
    places : list of tuple of int
        Where each of them stands there: argument, then position in a sequence.
    names : tuple of str
        The problem's sizes, in the order in which an `Extent` lists them.
    """

    problem: str
    summary: str
    nodes: list[Node]
    outputs: list[Node]
    single: bool
    arguments: list[Node]
    parameters: dict[str, Node]
    trainable: frozenset[str]
    initial: list[Extent]
    places: list[tuple[int, ...]]
    names: tuple[str, ...]

    @property
    def sizes(self) -> int:
        """How many sizes an `Extent` speaks of."""
        return len(self.names)

    @property
    def users(self) -> dict[str, list[Node]]:
        """Who reads each array, by name."""
        table: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for source in node.sources:
                table[source.name].append(node)
        return table

    def node(self, name: str) -> Node:
        """Return the array of that name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
