"""The extent of an axis as it is at each of a problem's sizes, and the formula that yields it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations_with_replacement

Extent = tuple[int, ...]
"""One integer per size of the problem: axes with the same extent at every size are alike."""


class Unsupported(ValueError):
    """The problem's reference holds something that no program can be written for."""


def product(extents: Sequence[Extent], sizes: int) -> Extent:
    """Multiply extents size by size."""
    return tuple(math.prod(e[k] for e in extents) for k in range(sizes))


def quotient(a: Extent, b: Extent) -> Extent | None:
    """Divide extents size by size, or return None where a remainder is left."""
    if any(y == 0 or x % y for x, y in zip(a, b)):
        return None
    return tuple(x // y for x, y in zip(a, b))


def is_one(extent: Extent) -> bool:
    """Whether the extent is one at every size."""
    return all(e == 1 for e in extent)


class Formulas:
    """Texts of numbers in terms of what a call knows: extents of its inputs.

    Parameters
    ----------
    known : mapping of str to Extent
        Text such as ``x0.shape[1]`` and its value at each size.

    Examples
    --------
    >>> formulas = Formulas({"x.shape[0]": (7, 64), "x.shape[1]": (33, 128)})
    >>> formulas((231, 8192)), formulas((5, 5)), formulas((33 / 33, 128 / 128))
    ('x.shape[1] * x.shape[0]', '5', '1')
    """

    def __init__(self, known: Mapping[str, Extent]) -> None:
        self.known = dict(known)
        self._found: dict[tuple[float, ...], str] = {}

    def __call__(self, values: Sequence[float]) -> str:
        """Return a text whose value at each size is the one given."""
        key = tuple(values)
        if key not in self._found:
            text = next((t for t in self._texts(key)), None)
            if text is None:
                raise Unsupported(f"no formula in the inputs' extents gives {list(key)}")
            self._found[key] = text
        return self._found[key]

    def learn(self, extents: Sequence[Extent]) -> None:
        """Find texts of extents, from which those of their products may then be made."""
        for extent in extents:
            if len(set(extent)) > 1 and extent not in self.known.values():
                self.known[self(extent)] = extent

    def _texts(self, values: tuple[float, ...]) -> Iterator[str]:
        if len(set(values)) == 1:
            yield _number(values[0])
        if all(float(v).is_integer() for v in values):
            yield from self._whole(tuple(int(v) for v in values))
        yield from self._real(values)

    def _whole(self, values: Extent) -> Iterator[str]:
        known = {v: t for t, v in reversed(self.known.items())}
        factors = {v: t for v, t in known.items() if len(set(v)) > 1}
        if values in known:
            yield known[values]
        for v, t in known.items():
            if len({a - b for a, b in zip(values, v)}) == 1:
                yield f"({t} + {values[0] - v[0]})"
        for v, t in factors.items():
            if tuple(a * (a + 1) // 2 for a in v) == values:
                yield f"({t} * ({t} + 1) // 2)"
        for v, t in factors.items():
            for text, scaled in (
                (f"{t} * 2", [2 * a for a in v]),
                (f"{t} // 2", [a // 2 for a in v]),
            ):
                if len({a - b for a, b in zip(values, scaled)}) == 1:
                    yield f"({text} + {values[0] - scaled[0]})"
            for w, u in factors.items():
                if tuple(a + b for a, b in zip(v, w)) == values:
                    yield f"({t} + {u})"
        for count in (2, 3, 4):
            for some in combinations_with_replacement(list(factors), count):
                whole = product(some, len(values))
                text = " * ".join(factors[s] for s in some)
                if whole == values:
                    yield text
        for v, t in factors.items():
            for w, u in factors.items():
                if quotient(v, w) == values:
                    yield f"({t} // {u})"
        numerators = dict(factors)
        for count in (2, 3, 4):
            for some in combinations_with_replacement(list(factors), count):
                numerators.setdefault(
                    product(some, len(values)), " * ".join(factors[s] for s in some)
                )
        for v, t in numerators.items():
            times = quotient(values, v)
            if times is not None and len(set(times)) == 1:
                yield f"({t} * {times[0]})"
        for v, t in numerators.items():
            for k in {v[0] // values[0], -(-v[0] // values[0])} if values[0] else set():
                if k and all(a // k == b for a, b in zip(v, values)):
                    yield f"({t} // {k})"
                if k and all(-(-a // k) == b for a, b in zip(v, values)):
                    yield f"(-(-{t} // {k}))"
        for v, t in numerators.items():
            for w, u in factors.items():
                if quotient(v, w) == values:
                    yield f"({t} // {u})"

    def _real(self, values: tuple[float, ...]) -> Iterator[str]:
        for t, v in self.known.items():
            for form, of in _FORMS.items():
                got = [of(float(x)) if x > 0 else math.nan for x in v]
                ratio = {round(a / b, 9) if b else math.nan for a, b in zip(values, got)}
                if len(ratio) == 1 and not math.isnan(factor := next(iter(ratio))):
                    yield f"({factor!r} * {form.format(t)})"


_FORMS: dict[str, Callable[[float], float]] = {
    "({0})": lambda x: x,
    "(1 / {0})": lambda x: 1 / x,
    "({0} ** 0.5)": lambda x: x**0.5,
    "({0} ** -0.5)": lambda x: x**-0.5,
    "({0} ** 0.25)": lambda x: x**0.25,
    "({0} ** -0.25)": lambda x: x**-0.25,
    "({0} ** -2)": lambda x: x**-2,
    "math.log({0})": math.log,
}


def _number(value: float) -> str:
    if isinstance(value, int) or (math.isfinite(value) and float(value).is_integer()):
        return str(int(value))
    return repr(value) if math.isfinite(value) else f'float("{value}")'
