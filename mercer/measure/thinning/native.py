"""Kernels whose rows a loop in C can evaluate: the profile printed, the points laid out for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer.engine.fold import fold
from mercer.engine.leaves import is_singular
from mercer.engine.native import REAL, check_backend, obstacle, run, used_or_refused
from mercer.engine.printer import ARITHMETIC, statements, unknown
from mercer.engine.program import compile_program
from mercer.kernels import Kernel

DISTANCES = {"squared_distance": "D * D", "l1_distance": "fabs(D)"}
WORDS = {
    **ARITHMETIC,
    "reciprocal": "((real)1 / {0})",
    "exp2": "exp2_({0})",
    "sqrt": "sqrt({0})",
    "rsqrt": "((real)1 / sqrt({0}))",
    "abs": "fabs({0})",
    "maximum": "({0} > {1} ? {0} : {1})",
    "minimum": "({0} < {1} ? {0} : {1})",
    "log": "log({0})",
    "Log1p": "log1p({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "pow": "pow({0}, {1})",
}


@dataclass(frozen=True)
class Rows:
    """What evaluates rows of a Gram matrix in C.

    Parameters
    ----------
    source : str
        The C function ``row``: entries of one row between two columns.
    coordinates : tuple of Tensor, shapes (d_k, n)
        Points of each leaf of the profile, scaled.
    parameters : Tensor, shape (P,)
        Of the profile.
    """

    source: str
    coordinates: tuple[Tensor, ...]
    parameters: Tensor

    def run(
        self,
        loop: str,
        index: Tensor,
        sizes: Sequence[int],
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
    ) -> None:
        """Run the loop on blocks of points.

        Parameters
        ----------
        loop : str
            C, with a function ``tile(n, in, out)`` that calls ``row``.
        index : Tensor, shape (B, m)
            The points of each block.
        sizes : sequence of int
            What comes after the coordinates' widths, ``B`` and ``m`` in ``n``.
        inputs, outputs : sequences of Tensor
            What comes after coordinates and parameters in ``in``, and ``out``.
        """
        blocks = [c[:, index].movedim(0, 1).contiguous() for c in self.coordinates]  # [B, d_k, m]
        widths = (len(c) for c in self.coordinates)
        given = (*blocks, self.parameters, *inputs)
        run(self.source + loop, (*index.shape, *sizes, *widths), given, outputs)


def rows_of(kernel: Kernel, X: Tensor, backend: str) -> Rows | None:
    """The rows of a kernel on points ``[n, d]``, or None where torch evaluates them.

    Raises
    ------
    ValueError
        If there is no such backend, or ``compiled`` is named and cannot run here.
    """
    if check_backend(backend) in ("torch", "triton"):
        return None
    rows = _prepare(kernel, X)
    if isinstance(rows, Rows):
        return rows
    used_or_refused(backend, "compiled", rows)
    return None


def _prepare(kernel: Kernel, X: Tensor) -> Rows | str:
    """The rows, or why there are none."""
    if reason := obstacle(X.device):
        return reason
    if X.dtype not in REAL:
        return f"it takes float32 or float64, got {X.dtype}"
    parts = kernel.parts()
    if parts is None or any(p.numel() > 1 for p in parts.parameters):
        return f"{type(kernel).__name__} is no single function of distances"
    formula = parts.formula
    symbols = tuple(formula.symbols)
    (folded,), leaves = fold((formula.expression,), formula.kinds, symbols)
    program = compile_program(
        (folded,), tuple(leaf.symbol for leaf in leaves), tuple(formula.parameter_symbols)
    )
    if missing := unknown(program, WORDS):
        return f"it cannot evaluate {', '.join(missing)}"
    warped = [warp(X) for warp in parts.warps]
    coordinates, names, lines = [], [], []
    for k, leaf in enumerate(leaves):
        kinds = {formula.kinds[s] for s, _ in leaf.terms}
        coefficients = [c for _, c in leaf.terms]
        one_sign = min(coefficients) > 0 or max(coefficients) < 0
        if len(kinds) > 1 or not kinds <= set(DISTANCES) or not one_sign:
            return "the kernel is no function of distances alone"
        if is_singular(folded, leaf, formula.kinds):
            return "the kernel has no finite value at distance zero"
        kind = kinds.pop()
        degree = 2 if kind == "squared_distance" else 1
        scaled = [warped[s] * abs(c) ** (1 / degree) for s, c in leaf.terms]
        coordinates.append(torch.cat(scaled, -1).mT.contiguous())
        lines.append(LEAF.format(k=k, value=DISTANCES[kind]))
        names.append(f"{'' if coefficients[0] > 0 else '-'}L{k}[j]")
    scalars = [f"parameters[{k}]" for k in range(formula.parameters)]
    values, (value,) = statements(
        program, names, scalars, WORDS, lambda x: f"(real){float(x)!r}", "real {name} = {value};"
    )
    source = ROW.format(
        real=REAL[X.dtype],
        exp2=_exp2(X.dtype),
        leaves=len(leaves),
        distances="".join(lines),
        values="\n    ".join(values),
        value=value,
    )
    parameters = torch.tensor([p.item() for p in parts.parameters], dtype=X.dtype)
    return Rows(source, tuple(coordinates), parameters)


def _exp2(dtype: torch.dtype) -> str:
    """The Taylor polynomial of ``2^f``, ``|f| <= 1/2``, within the rounding of the dtype."""
    degree = 7 if dtype == torch.float32 else 13
    terms = [math.log(2) ** k / math.factorial(k) for k in range(degree + 1)]
    steps = "".join(f"  p = p * f + (real){c!r};\n" for c in terms[-2::-1])
    mantissa, low, word = (23, -126, "int32_t") if degree == 7 else (52, -1022, "int64_t")
    return EXP2.format(
        first=terms[-1],
        steps=steps,
        low=low,
        high=1 - low,
        mantissa=mantissa,
        bias=1 - low,
        word=word,
    )


EXP2 = """static inline real exp2_(real x) {{
  real c = x < {low} ? (real){low} : x;
  c = c > {high} ? (real){high} : c;
  real r = rint(c), f = c - r, p = (real){first!r};
{steps}  union {{ {word} i; real f; }} scale = {{.i = (({word})r + {bias}) << {mantissa}}};
  return p * scale.f;
}}
"""

LEAF = """
  real L{k}[WIDTH];
  for (int64_t j = 0; j < w; j++) L{k}[j] = 0;
  for (int64_t e = 0; e < widths[{k}]; e++) {{
    const real *c = block->leaf[{k}] + e * block->m, x = c[i];
    for (int64_t j = 0; j < w; j++) {{
      real D = x - c[start + j];
      L{k}[j] += {value};
    }}
  }}"""

ROW = """#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>
#include <omp.h>
typedef {real} real;
enum {{ WIDTH = 256, LEAVES = {leaves} }};
typedef struct {{ const real *leaf[LEAVES]; int64_t m; const real *gram; }} Block;
{exp2}
/* Entries (i, start), ..., (i, start + w - 1) of the Gram matrix of a block, w <= WIDTH. */
static void row(const Block *block, const int64_t *widths, const real *parameters,
                int64_t i, int64_t start, int64_t w, real *out) {{{distances}
  for (int64_t j = 0; j < w; j++) {{
    {values}
    out[j] = {value};
  }}
}}
/* The same from the Gram matrix where it is kept. */
static const real *rows(const Block *block, const int64_t *widths, const real *parameters,
                        int64_t i, int64_t start, int64_t w, real *out) {{
  if (block->gram) return block->gram + i * block->m + start;
  row(block, widths, parameters, i, start, w, out);
  return out;
}}
static real entry(const Block *block, const int64_t *widths, const real *parameters,
                  int64_t i, int64_t j) {{
  real out[1];
  return rows(block, widths, parameters, i, j, 1, out)[0];
}}
/* The least of values[0], ..., values[w - 1] that is below `bound`: where, or w if none is. */
static inline int64_t least_of(const real *values, int64_t w, real bound) {{
  real low = INFINITY;
  #pragma omp simd reduction(min:low)
  for (int64_t j = 0; j < w; j++) low = values[j] < low ? values[j] : low;
  if (low >= bound) return w;
  int64_t j = 0;
  while (values[j] != low) j++;
  return j;
}}
/* Leaves of block b out of the arguments: n = B, m, ..., widths; in = leaves, parameters, ... */
static Block block_of(void *const *in, const int64_t *widths, int64_t b, int64_t m) {{
  Block block = {{.m = m}};
  for (int64_t k = 0; k < LEAVES; k++) block.leaf[k] = (const real *)in[k] + b * widths[k] * m;
  return block;
}}
"""
