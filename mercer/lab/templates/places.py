"""Entries that stand elsewhere: shifted, reversed, picked, joined or padded."""

from __future__ import annotations

from mercer.lab.templates.axis import Axis, Index, Term, Value
from mercer.lab.templates.extent import Extent, product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.walk import Walk, kind_of


class Places(Walk):
    """The part of a walk that changes the index."""

    def __init__(self, sizes: int, stored: set[str], splits: dict[str, tuple[Axis, Axis]]) -> None:
        super().__init__(sizes, stored, splits)
        self.shifts: dict[str, tuple[Value, int]] = {}  # of a text: from where, and how far
        self.turns: dict[str, tuple[Index, Extent]] = {}  # the same on a circle

    def _view(self, node: Node, index: Index) -> Value:
        source = node.inputs[0]
        if node.op == "reshape":
            return self.value(source, index)
        if node.op == "expand":
            return self.value(source, self.broadcast(source, node.shape, index))
        if node.op == "permute":
            parts = self.cut(index, node.shape)
            order = node.attributes["axes"]
            placed = {axis: part for axis, part in zip(order, parts)}
            return self.value(source, tuple(e for k in range(len(parts)) for e in placed[k]))
        if node.op == "flip":
            parts = self.cut(index, node.shape)
            for axis in node.attributes["axes"]:
                place = self.offset(parts[axis])
                last = self.extent(tuple(e - 1 for e in node.shape[axis]))
                turned = self._shifted(f"{last} - ({place.text})", place)
                parts[axis] = (Term(turned, node.shape[axis]),)
            return self.value(source, tuple(e for part in parts for e in part))
        if node.op == "roll":
            return self.value(source, self._turned(node, index))
        axis, step = node.attributes["axis"], node.attributes["step"]
        before, here, after = self.around(node, axis, index)
        place = self.offset(here)
        if step > 1:
            place = self._shifted(f"({place.text}) * {step}", place)
        moved = Term(self._moved(place, node.inputs[1]), source.shape[axis])
        return self.value(source, (*before, moved, *after))

    def _shifted(self, text: str, place: Value) -> Value:
        return Value(f"({text})", "int", place.level, place.row, place.space)

    def _moved(self, place: Value, start: Extent) -> Value:
        """A place further on; there and back again is the place itself."""
        if len(set(start)) > 1:
            return self._shifted(f"{place.text} + {self.extent(start)}", place)
        origin, before = self.shifts.get(place.text, (place, 0))
        whole = before + start[0]
        if whole == 0:
            return origin
        moved = self._shifted(f"{origin.text} {'+' if whole > 0 else '-'} {abs(whole)}", origin)
        self.shifts[moved.text] = origin, whole
        return moved

    def _turned(self, node: Node, index: Index) -> Index:
        """The index with one axis turned about; whole turns are none."""
        axis, start = node.attributes["axis"], node.inputs[1]
        before, here, after = self.around(node, axis, index)
        length = node.shape[axis]
        if len(here) == 1 and isinstance(here[0], Term) and here[0].value.text in self.turns:
            here, earlier = self.turns[here[0].value.text]
            start = tuple((a + b) % n for a, b, n in zip(start, earlier, length))
        if not any(start):
            return (*before, *here, *after)
        place, size = self.offset(here), self.extent(length)
        left = tuple(s - n for s, n in zip(start, length))
        if len(set(left)) == 1:
            moved = self.named(self._moved(place, left).text, "int", place)
            beyond = (f"({moved.text} < 0)", f"({moved.text} + {size})")
        else:
            moved = self.named(self._moved(place, start).text, "int", place)
            beyond = (f"({moved.text} >= {size})", f"({moved.text} - {size})")
        turned = self.named(self.operations["where"].format(*beyond, moved.text), "int", moved)
        turned = self.neighbours(turned)
        self.turns[turned.text] = here, start
        return (*before, Term(turned, length), *after)

    def neighbours(self, place: Value) -> Value:
        """Tell the compiler that most neighbours along the columns stand side by side."""
        return place

    def _gather(self, node: Node, index: Index) -> Value:
        source, places = node.inputs
        axis = node.attributes["axis"]
        if node.op == "along":
            before, _, after = self.around(node, axis, index)
            found = self.value(places, index)
        else:
            inner = source.shape[axis + 1 :]
            groups = [source.shape[:axis], places.shape, inner]
            cuts = self.cut(index, [product(g, self.sizes) for g in groups])
            before, here, after = cuts
            found = self.value(places, here)
        size = self.extent(source.shape[axis])
        wrapped = self.operations["where"].format(
            f"({found.text} < 0)", f"({found.text} + {size})", found.text
        )
        place = self.neighbours(self.named(wrapped, "int", found))
        return self.value(source, (*before, Term(place, source.shape[axis]), *after))

    def guarded(self, guard: Value, node: Node, index: Index) -> Value:
        """The entry where a condition holds; nothing is read where it does not."""
        kept, self.guards = self.guards, (*self.guards, guard)
        result = self.value(node, index)
        self.guards = kept
        return result

    def _cat(self, node: Node, index: Index) -> Value:
        axis = node.attributes["axis"]
        before, here, after = self.around(node, axis, index)
        piece = self._piece(node, here)
        if piece is not None:
            return self.value(piece, (*before, *here[1:], *after))
        place = self.offset(here)
        result: Value | None = None
        end = (0,) * self.sizes
        pieces = []
        for source in node.inputs:
            begin, end = end, tuple(a + b for a, b in zip(end, source.shape[axis]))
            pieces.append((begin, end, source))
        for begin, end, source in reversed(pieces):
            low, high = self.extent(begin), self.extent(end)
            inside = f"((({place.text}) < {high}) & (({place.text}) >= {low}))"
            guard = self.named(inside, "bool", place)
            moved = self._shifted(f"{place.text} - {low}", place)
            value = self.guarded(guard, source, (*before, Term(moved, source.shape[axis]), *after))
            value = self.cast(value, kind_of(node.dtype))
            if result is not None:
                text = self.operations["where"].format(guard.text, value.text, result.text)
                value = self.named(text, value.kind, guard, value, result)
            result = value
        assert result is not None
        return result

    def _piece(self, node: Node, here: Index) -> Node | None:
        """The part that the index is known to be in: its first digit is a number."""
        first = here[0] if here else None
        if not isinstance(first, Term) or not first.value.literal:
            return None
        if first.extent != (len(node.inputs),) * self.sizes:
            return None
        piece: Node = node.inputs[int(first.value.text)]
        return piece

    def _pad(self, node: Node, index: Index) -> Value:
        source, fill = node.inputs[0], self.literal(node.attributes["fill"])
        parts = self.cut(index, node.shape)
        guards = []
        for axis, low in node.attributes["lows"].items():
            if source.shape[axis] == node.shape[axis] and not any(low):
                continue
            place = self.offset(parts[axis])
            moved = self._moved(place, tuple(-w for w in low))
            inside = f"(({moved.text} >= 0) & ({moved.text} < {self.extent(source.shape[axis])}))"
            guards.append(self.named(inside, "bool", moved))
            parts[axis] = (Term(moved, source.shape[axis]),)
        if not guards:
            return self.value(source, index)
        guard = self.named(f"({' & '.join(g.text for g in guards)})", "bool", *guards)
        inner = tuple(e for part in parts for e in part)
        value = self.guarded(guard, source, inner)
        fill = self.cast(fill, value.kind)
        text = self.operations["where"].format(guard.text, value.text, fill.text)
        return self.named(text, value.kind, guard, value)
