"""The C source of a tile, printed from its program."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from mercer.engine.printer import ARITHMETIC, statements
from mercer.engine.program import Program

WORDS = {
    **ARITHMETIC,
    "reciprocal": "(1.0f / {0})",
    "exp2": "exp2_({0})",
    "sqrt": "sqrtf({0})",
    "rsqrt": "(1.0f / sqrtf({0}))",
    "abs": "fabsf({0})",
    "sign": "(float)(({0} > 0.0f) - ({0} < 0.0f))",
    "maximum": "({0} > {1} ? {0} : {1})",
    "minimum": "({0} < {1} ? {0} : {1})",
    "log": "logf({0})",
    "sin": "sinf({0})",
    "cos": "cosf({0})",
    "pow": "powf({0}, {1})",
}
# 2^x = 2^r 2^f with |f| <= 1/2; the polynomial is the best of its degree, within 2e-9 of 2^f. The
# exponent bits of r = -127 and r = 128 are those of zero and of infinity.
PREAMBLE = """#include <stdint.h>
#include <math.h>

static inline float exp2_(float x) {
  float c = x < -127.0f ? -127.0f : x;
  c = c > 128.0f ? 128.0f : c;
  float r = rintf(c), f = c - r;
  float p = 1.535335909e-4f;
  p = p * f + 1.339887542e-3f;
  p = p * f + 9.618437377e-3f;
  p = p * f + 5.550332468e-2f;
  p = p * f + 2.402264791e-1f;
  p = p * f + 6.931472029e-1f;
  p = p * f + 1.0f;
  union { int32_t i; float f; } scale = {.i = ((int32_t)r + 127) << 23};
  return p * scale.f;
}
"""


@dataclass(frozen=True)
class Source:
    """What distinguishes one compiled tile from another."""

    program: Program
    leaves: tuple[tuple[str, tuple[float, ...]] | None, ...]  # kind, signs; None: read from a tile
    scalars: int
    singular: tuple[tuple[int, int], ...]  # (leaf, output): zero where the leaf is
    columns: tuple[int, ...]  # of V that each output is summed against; 0: the tile is written


@functools.lru_cache(maxsize=512)
def source(what: Source) -> str:
    """The function ``tile``: rows in parallel, columns in vectors."""
    return _Writer(what).text()


class _Writer:
    def __init__(self, what: Source) -> None:
        self.what = what
        self.slot = 0  # of the next pointer in ``in``
        self.outer: list[str] = []  # once a row
        self.inner: list[str] = ["float D;"]  # once an entry
        self.after: list[str] = []
        self.sums: list[str] = []
        for k, leaf in enumerate(what.leaves):
            self._tile(k) if leaf is None else self._coordinates(k, *leaf)
        self._values()

    def text(self) -> str:
        reduction = f" reduction(+:{','.join(self.sums)})" if self.sums else ""
        lines = {"outer": self.outer, "inner": self.inner, "after": self.after}
        joined = {k: "\n      ".join(v) for k, v in lines.items()}
        return _WRAP.format(preamble=PREAMBLE, reduction=reduction, **joined)

    def _next(self) -> str:
        self.slot += 1
        return f"in[{self.slot - 1}]"

    def _tile(self, k: int) -> None:
        self.outer.append(f"const float *t{k} = {self._next()} + (b * tn + i) * tm;")
        self.inner.append(f"float L{k} = t{k}[j];")

    def _coordinates(self, k: int, kind: str, signs: tuple[float, ...]) -> None:
        d = len(signs)
        self.outer.append(f"const float *x{k} = {self._next()} + (b0 + b) * {d} * n + i0 + i;")
        self.outer.append(f"const float *y{k} = {self._next()} + (b0 + b) * {d} * m + j0;")
        self.outer += [f"float x{k}_{e} = x{k}[{e} * n];" for e in range(d)]
        self.inner.append(f"float L{k} = 0.0f;")
        for e, sign in enumerate(signs):
            self.inner += _coordinate(kind, f"L{k}", f"x{k}_{e}", f"y{k}[{e} * m + j]", sign)

    def _values(self) -> None:
        what = self.what
        scalars = [f"p{k}" for k in range(what.scalars)]
        self.outer += [f"float {p} = {self._next()}[b0 + b];" for p in scalars]
        roundings = self._next()
        leaves = [f"L{k}" for k in range(len(what.leaves))]
        lines, values = statements(
            what.program, leaves, scalars, WORDS, _number, "float {name} = {value};"
        )
        self.inner += lines
        for s, (leaf, o) in enumerate(what.singular):
            self.outer.append(f"float zero{s} = {roundings}[{s}];")
            values[o] = f"(fabsf(L{leaf}) <= zero{s} ? 0.0f : {values[o]})"
        for o, (value, columns) in enumerate(zip(values, what.columns)):
            if columns:
                self._sum(o, value, columns)
            else:
                self.outer.append(f"float *o{o} = out[{o}] + (b * tn + i) * tm;")
                self.inner.append(f"o{o}[j] = {value};")

    def _sum(self, o: int, value: str, columns: int) -> None:
        self.outer.append(f"const float *v{o} = {self._next()} + (b0 + b) * {columns} * m + j0;")
        self.inner.append(f"float f{o} = {value};")
        for c in range(columns):
            self.sums.append(f"s{o}_{c}")
            self.outer.append(f"float s{o}_{c} = 0.0f;")
            self.inner.append(f"s{o}_{c} += f{o} * v{o}[{c} * m + j];")
            place = f"out[{o}][((b0 + b) * {columns} + {c}) * n + i0 + i]"
            self.after.append(f"{place} += s{o}_{c};")


def _coordinate(kind: str, leaf: str, x: str, y: str, sign: float) -> list[str]:
    if kind == "dot":
        return [f"{leaf} += {x} * {y};"]
    lines = [f"D = {x} - {y};"]
    if kind == "difference":
        return [*lines, f"{leaf} {'+' if sign > 0 else '-'}= D * D;"]
    if kind == "absolute":
        return [*lines, f"{leaf} += fabsf(D);"]
    return [*lines, f"{leaf} = (float)((D > 0.0f) - (D < 0.0f));"]


def _number(value: float) -> str:
    return f"{float(value)!r}f".replace("inff", "INFINITY")


_WRAP = """{preamble}
void tile(const int64_t *size, const float *const *in, float *const *out) {{
  const int64_t b0 = size[0], i0 = size[1], j0 = size[2];
  const int64_t tb = size[3], tn = size[4], tm = size[5], n = size[6], m = size[7];
  #pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < tb; b++) {{
    for (int64_t i = 0; i < tn; i++) {{
      {outer}
      #pragma omp simd{reduction}
      for (int64_t j = 0; j < tm; j++) {{
      {inner}
      }}
      {after}
    }}
  }}
}}
"""
