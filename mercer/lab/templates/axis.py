"""Where an entry of an array stands, in terms of the loops of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mercer.lab.templates.extent import Extent, is_one, product, quotient


@dataclass(frozen=True)
class Axis:
    """A loop variable that runs over 0, ..., extent - 1."""

    name: str
    extent: Extent


@dataclass(frozen=True)
class Value:
    """A piece of program text and what it depends on.

    Parameters
    ----------
    text : str
    kind : {"float", "int", "bool"}
    level : int
        0: outside the loop over columns; 1: inside it; more: inside loops within.
    row : bool
        Whether it differs from row to row.
    space : int
        The column space that it differs over, or -1.
    literal : bool
        Whether it is a number in the text.
    """

    text: str
    kind: str = "float"
    level: int = 0
    row: bool = False
    space: int = -1
    literal: bool = False


@dataclass(frozen=True)
class Term:
    """A position that is not a plain loop variable: shifted, reversed or read from an array."""

    value: Value
    extent: Extent


Index = tuple[Axis | Term, ...]
"""The position in row-major order, as digits of a number in mixed radix, outermost first."""


class Split(Exception):
    """The axis has to become two for the index to be cut."""

    def __init__(self, axis: Axis, outer: Extent, inner: Extent) -> None:
        super().__init__(axis.name)
        self.axis, self.parts = axis, (outer, inner)


def cut(
    index: Index,
    groups: Sequence[Extent],
    divide: Callable[[Term, Extent], tuple[Term, Term]],
    flatten: Callable[[Index], Term],
) -> list[Index]:
    """Cut an index into consecutive groups with the given numbers of entries.

    Parameters
    ----------
    index : Index
    groups : sequence of Extent
        Their product is that of the index.
    divide : callable
        Splits a `Term` into quotient and remainder by an extent.
    flatten : callable
        Makes one `Term` of an index, for where no boundary fits.

    Raises
    ------
    Split
        If a boundary falls within an `Axis`.
    """
    sizes = len(groups[0]) if groups else 0
    rest = [e for e in index if not is_one(e.extent)]
    result: list[Index] = []
    for group in groups:
        part: list[Axis | Term] = []
        need = group
        while not is_one(need):
            first = rest[0]
            smaller, larger = quotient(need, first.extent), quotient(first.extent, need)
            if smaller is not None:
                part.append(rest.pop(0))
                need = smaller
            elif larger is None:
                return cut((flatten(index),), groups, divide, flatten)
            elif isinstance(first, Axis):
                raise Split(first, need, larger)
            else:
                rest[:1] = divide(first, larger)
        result.append(tuple(part))
    assert product([e.extent for e in rest], sizes) == (1,) * sizes
    return result
