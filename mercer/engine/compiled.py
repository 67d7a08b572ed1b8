"""A tile evaluated by one compiled loop: scores, profile and outputs in a single pass.

The torch calls of ``program.py`` read and write the tile once for each operation; here scores of
few coordinates never leave the registers.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mercer.engine.compiler import build, compiler
from mercer.engine.leaves import Coordinates, Filler
from mercer.engine.planner import COMPILE
from mercer.engine.printer import ARITHMETIC, statements, unknown
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
# 2^x = 2^r 2^f with |f| <= 1/2; the polynomial is the best of its degree, within 2e-9 of 2^f.
PREAMBLE = """#include <stdint.h>
#include <math.h>

static inline float exp2_(float x) {
  float c = x < -126.0f ? -126.0f : x;
  c = c > 127.0f ? 127.0f : c;
  float r = rintf(c), f = c - r;
  float p = 1.535335909e-4f;
  p = p * f + 1.339887542e-3f;
  p = p * f + 9.618437377e-3f;
  p = p * f + 5.550332468e-2f;
  p = p * f + 2.402264791e-1f;
  p = p * f + 6.931472029e-1f;
  p = p * f + 1.0f;
  union { int32_t i; float f; } scale = {.i = ((int32_t)r + 127) << 23};
  p = p * scale.f;
  p = x < -126.0f ? 0.0f : p;
  return x >= 128.0f ? INFINITY : p;
}
"""


@dataclass(frozen=True)
class Source:
    """What distinguishes one compiled tile from another."""

    program: Program
    leaves: tuple[tuple[str, tuple[float, ...]] | None, ...]  # kind, signs; None: read from a tile
    scalars: int
    singular: tuple[tuple[int, int], ...]  # (leaf, output): zero where the leaf is


def compiled_tile(
    program: Program,
    fillers: Sequence[Filler],
    singular: Sequence[tuple[int, int]],
    parameters: Sequence[Tensor],
    batch: int,
) -> CompiledTile | None:
    """The compiled evaluation of a tile, or None where there is none."""
    if unknown(program, WORDS) or not fillers:
        return None
    points = [f.coordinates() for f in fillers]
    leaves = tuple(None if p is None else (p.kind, p.signs) for p in points)
    function = build(source(Source(program, leaves, len(parameters), tuple(singular))))
    if function is None:
        return None
    roundings = [fillers[k].rounding for k, _ in singular]
    return CompiledTile(function, points, parameters, roundings, len(program.outputs), batch)


def use_compiled(backend: str, program: Program, like: Tensor, entries: int) -> bool:
    """Whether the tiles of this reduction come from a compiled loop.

    Raises
    ------
    ValueError
        If the caller named this backend and it cannot evaluate the reduction here.
    """
    if backend not in ("auto", "compiled"):
        return False
    missing = unknown(program, WORDS)
    reason = None
    if like.device.type != "cpu" or like.dtype != torch.float32:
        reason = f"it takes float32 on the CPU, got {like.dtype} on {like.device}"
    elif missing:
        reason = f"it cannot evaluate {', '.join(missing)}"
    elif compiler() is None:
        reason = "no C compiler was found"
    if backend == "compiled" and reason:
        raise ValueError(f'backend="compiled" cannot be used: {reason}')
    return reason is None and (backend == "compiled" or entries >= COMPILE)


class CompiledTile:
    """Calls the compiled function with the addresses of its arguments."""

    def __init__(
        self,
        function: Any,
        points: Sequence[Coordinates | None],
        parameters: Sequence[Tensor],
        roundings: Sequence[float],
        outputs: int,
        batch: int,
    ) -> None:
        self.function, self.points, self.outputs = function, list(points), outputs
        self.parameters = [p.reshape(-1).expand(batch).contiguous() for p in parameters]
        self.roundings = torch.tensor([*roundings, 0.0], dtype=torch.float32)
        self.tiles = sum(p is None for p in points)

    @property
    def buffers(self) -> int:
        """Tiles that are alive at once: an output may lie where a leaf was read."""
        return max(self.tiles, self.outputs)

    def __call__(
        self, b: slice, i: slice, j: slice, n: int, m: int, buffers: Sequence[Tensor]
    ) -> list[Tensor]:
        """Evaluate; leaves that are not made of coordinates are in the first buffers."""
        given: list[Tensor] = []
        tiles = iter(buffers)
        for p in self.points:
            given += (next(tiles),) if p is None else (p.x, p.y)
        given += [*self.parameters, self.roundings]
        outputs = list(buffers[: self.outputs])
        size = (b.start, i.start, j.start, b.stop - b.start, i.stop - i.start, j.stop - j.start)
        self.function(
            (ctypes.c_int64 * 8)(*size, n, m),
            (ctypes.c_void_p * len(given))(*(t.data_ptr() for t in given)),
            (ctypes.c_void_p * len(outputs))(*(t.data_ptr() for t in outputs)),
        )
        return outputs


@functools.lru_cache(maxsize=512)
def source(what: Source) -> str:
    """The C source of a tile: rows in parallel, columns in vectors."""
    outer: list[str] = []  # once a row
    inner: list[str] = []  # once an entry
    names: list[str] = []
    slot = 0
    for k, leaf in enumerate(what.leaves):
        names.append(f"L{k}")
        if leaf is None:
            outer.append(f"const float *t{k} = in[{slot}] + (b * tn + i) * tm;")
            inner.append(f"float L{k} = t{k}[j];")
            slot += 1
            continue
        kind, signs = leaf
        d = len(signs)
        outer.append(f"const float *x{k} = in[{slot}] + (b0 + b) * {d} * n + i0 + i;")
        outer.append(f"const float *y{k} = in[{slot + 1}] + (b0 + b) * {d} * m + j0;")
        outer += [f"float x{k}_{e} = x{k}[{e} * n];" for e in range(d)]
        inner += ["float D;", f"float L{k} = 0.0f;"] if k == 0 else [f"float L{k} = 0.0f;"]
        for e, sign in enumerate(signs):
            inner += _coordinate(kind, f"L{k}", f"x{k}_{e}", f"y{k}[{e} * m + j]", sign)
        slot += 2
    scalars = [f"p{k}" for k in range(what.scalars)]
    outer += [f"float p{k} = in[{slot + k}][b0 + b];" for k in range(what.scalars)]
    slot += what.scalars
    lines, outputs = statements(
        what.program, names, scalars, WORDS, _number, "float {name} = {value};"
    )
    inner += lines
    for o, name in enumerate(outputs):
        outer.append(f"float *o{o} = out[{o}] + (b * tn + i) * tm;")
        value = name
        for s, (leaf_index, output) in enumerate(what.singular):
            if output == o:
                outer.append(f"float e{s} = in[{slot}][{s}];")
                value = f"(fabsf(L{leaf_index}) <= e{s} ? 0.0f : {value})"
        inner.append(f"o{o}[j] = {value};")
    if not any("float D;" in line for line in inner):
        inner.insert(0, "float D;")
    return _WRAP.format(
        preamble=PREAMBLE, outer="\n      ".join(outer), inner="\n        ".join(inner)
    )


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
      #pragma omp simd
      for (int64_t j = 0; j < tm; j++) {{
        {inner}
      }}
    }}
  }}
}}
"""
