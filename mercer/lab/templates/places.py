"""Entries that stand elsewhere: shifted, reversed, picked, joined or padded."""

from __future__ import annotations

from mercer.lab.templates.axis import Index, Term, Value
from mercer.lab.templates.extent import product
from mercer.lab.templates.graph import Node
from mercer.lab.templates.walk import Walk, kind_of


class Places(Walk):
    """The part of a walk that changes the index."""

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
        axis, step = node.attributes["axis"], node.attributes["step"]
        before, here, after = self.around(node, axis, index)
        place = self.offset(here)
        start = self.literal(node.inputs[1]).text
        text = place.text if step == 1 else f"({place.text}) * {step}"
        text = text if start == "0" else f"{text} + {start}"
        moved = Term(self._shifted(text, place), source.shape[axis])
        return self.value(source, (*before, moved, *after))

    def _shifted(self, text: str, place: Value) -> Value:
        return Value(f"({text})", "int", place.level, place.row, place.space)

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
        place = self.named(wrapped, "int", found)
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

    def _pad(self, node: Node, index: Index) -> Value:
        source, fill = node.inputs[0], self.literal(node.attributes["fill"])
        parts = self.cut(index, node.shape)
        guards = []
        for axis, low in node.attributes["lows"].items():
            if source.shape[axis] == node.shape[axis] and not any(low):
                continue
            place = self.offset(parts[axis])
            text = f"({place.text} - {self.literal(low).text})"
            moved = self.named(text, "int", place)
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
