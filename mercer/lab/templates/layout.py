"""Which loops a kernel runs for the arrays that it stores: rows, column spaces, passes."""

from __future__ import annotations

from dataclasses import dataclass, field

from mercer.lab.templates.axis import Axis, Index
from mercer.lab.templates.extent import Extent, product
from mercer.lab.templates.graph import Node

SPAN = 16  # neighbours that a tile should hold at least


class Store(Exception):
    """The array cannot be computed inside the kernel that asks for it: it must be stored first."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.name)
        self.node = node


@dataclass(eq=False)
class Reduction:
    """A reduction that a kernel does for its rows: over which space, at which index, how deep.

    `needs` names the reductions that it is computed from, `level` how deep they nest, `partner` the
    one that it could be computed together with, in one pass (see `partner`).
    """

    node: Node
    space: int
    index: Index
    needs: set[str] = field(default_factory=set)
    level: int = 0
    partner: str = ""


@dataclass(eq=False)
class Layout:
    """The loops of a kernel.

    Parameters
    ----------
    rows : list of Axis
        Every program handles some rows, alone.
    spaces : list of list of Axis
        What it runs over for each row.
    reductions : dict of str to Reduction
    roots : list of (Node, Index, int)
        The arrays stored, their index, and the space that they run over (-1: rows only).
    backwards : bool, optional
        If there are scans, which have to see the columns in order: whether from the last one.
    fast : dict of str to int
        How many entries are read or written along each axis where it is the contiguous one.
    splits : dict
        The axes that had to be cut in two.
    places : int
        At how many places the array that is read most is read for one entry.
    raced : int
        Which of the sizes it should be fast at.
    """

    rows: list[Axis]
    spaces: list[list[Axis]]
    reductions: dict[str, Reduction]
    roots: list[tuple[Node, Index, int]]
    backwards: bool | None
    fast: dict[str, int]
    splits: dict[str, tuple[Axis, Axis]]
    sizes: int
    places: int = 1
    raced: int = 0

    @property
    def lane(self) -> Axis | None:
        """The row axis along which memory is contiguous, if it is not a column axis."""
        inner = {a.name for space in self.spaces for a in space}
        best = max(self.fast, key=lambda name: self.fast[name], default=None)
        if best is None or best in inner:
            return None
        return next((a for a in self.rows if a.name == best), None)

    @property
    def crossed(self) -> Axis | None:
        """Where nothing is reduced: the axis that much is contiguous along, if it is not the last.

        A tile has to span both, as in a transposition; across a short axis that gains nothing.
        """
        axes = [] if self.passes else self.spaces[0]
        across = [
            a for a in axes[:-1] if self.fast.get(a.name, 0) > 0 and a.extent[self.raced] >= SPAN
        ]
        best = max(across, key=lambda a: self.fast[a.name], default=None)
        if best is None or 4 * self.fast[best.name] < sum(self.fast.values()):
            return None
        return best

    @property
    def scans(self) -> bool:
        """Whether there is a scan."""
        return self.backwards is not None

    @property
    def written(self) -> list[Node]:
        """The arrays stored, each once."""
        return list(dict.fromkeys(node for node, _, _ in self.roots))

    @property
    def passes(self) -> bool:
        """Whether a row is walked through in order rather than cut among programs."""
        return bool(self.reductions) or self.scans

    @property
    def cuttable(self) -> bool:
        """Whether rows may be cut among programs that each reduce a part."""
        first = {r.name for r in (x.node for x in self.reductions.values() if x.level == 0)}
        joint = all(r.level == 0 or r.partner in first for r in self.reductions.values())
        one = len({r.space for r in self.reductions.values()}) == 1
        return joint and one and not self.scans and all(space < 0 for _, _, space in self.roots)

    def extent(self, axes: list[Axis]) -> Extent:
        """How many entries the axes run over together."""
        return product([a.extent for a in axes], self.sizes)


def partner(reduction: Reduction, known: dict[str, Reduction]) -> str:
    """Name the reduction that one pass could do together with this one, or return "".

    The sum of squares about the mean goes with the sum (Welford); a sum of exp(x - m), m the
    maximum of x, goes with the maximum, rescaled whenever that grows.
    """
    for name in sorted(reduction.needs):
        other = known[name]
        if other.space != reduction.space or other.level != 0:
            continue
        same = other.node.inputs[0] is reduction.node.inputs[0]
        moment = reduction.node.op == "moment" and other.node.op == "sum" and same
        if reduction.needs == {name} and moment:
            return name
        exponent = shifted_exponent(reduction.node, other.node)
        if reduction.needs == {name} and exponent:
            return name
    return ""


def shifted_exponent(total: Node, largest: Node) -> Node | None:
    """Return x where ``total`` sums exp(x - m) and ``largest`` is m, the maximum of x."""
    if total.op != "sum" or largest.op != "max":
        return None
    inner = total.inputs[0]
    if inner.op != "exp" or inner.inputs[0].op != "sub":
        return None
    x, shift = inner.inputs[0].inputs
    while isinstance(shift, Node) and shift is not largest:
        if shift.kind == "view" and shift.op in ("reshape", "expand"):
            shift = shift.inputs[0]
        elif shift.op == "where":  # logsumexp replaces an infinite maximum by zero
            shift = shift.inputs[2]
        else:
            return None
    return x if shift is largest and largest.inputs[0] is x else None
