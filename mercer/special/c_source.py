"""The same expansions as one loop in C."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

from mercer.special import integral, power_series, temme, uniform
from mercer.special.c_elementary import ELEMENTARY, SADDLE
from mercer.special.c_expansions import SMALL, TILE
from mercer.special.reciprocal_gamma import coefficients
from mercer.special.regimes import ARGUMENTS, WIDTHS
from mercer.special.saddle import HEIGHT, NEAR, PARTS, ZERO

BLOCK = 1024  # elements whose arrays stay in the cache
WIDE = 8  # no vector holds more
INCLUDES = "#include <math.h>\n#include <stdint.h>\n#include <string.h>\n"


@functools.cache
def source() -> str:
    """``tile``: logarithms of Bessel functions; kind 0 is I, 1 is K."""
    constants = {
        "BLOCK": BLOCK,
        "WIDE": WIDE,
        "ROOM": BLOCK + WIDE,
        "ZERO": ZERO,
        "ZERO_REST": math.fsum((*PARTS, -ZERO)),
        "HEIGHT": HEIGHT,
        "NEAR": NEAR,
        "LARGEST_ORDER": math.ceil(WIDTHS[0]),
        "TEMME_TERMS": temme.TERMS,
        "REGIMES": 1 + len(power_series.TIERS) + len(uniform.TIERS),
        "SMALL": 1 + len(power_series.TIERS),
    }
    defines = "\n".join(f"#define {name} {value!r}" for name, value in constants.items())
    d = coefficients()
    tables = "\n".join(
        (
            _table("GAMMA", d),
            _table("ATANH", [2 / (2 * k + 3) for k in range(10)]),
            _table("EXP", [1 / math.factorial(k) for k in range(13)]),
            _table("ARGUMENT_EDGES", ARGUMENTS),
            _table("WIDTH_EDGES", WIDTHS),
            *(_table(f"RISES_{k}", rule.rises) for k, (_, rule) in enumerate(integral.TIERS)),
            *(
                _table(f"STEPS_{k}", [math.exp(t) for t in rule.nodes])
                for k, (_, rule) in enumerate(integral.TIERS)
            ),
        )
    )
    sums = "\n".join(_uniform_sum(k, terms) for k, (_, terms) in enumerate(uniform.TIERS))
    small_i = "\n".join(
        f"    case {k + 1}: series(n, v, x, out, {terms}); break;"
        for k, (_, terms) in enumerate(power_series.TIERS)
    )
    small_k = "\n".join(
        f"    case {k + 2}: from_integral(n, v, x, out, {rule.count}, {rule.step!r}, RISES_{k}, "
        f"STEPS_{k}); break;"
        for k, (_, rule) in enumerate(integral.TIERS)
    )
    large = "\n".join(
        f"    case SMALL + {k}: uniform_{k}(n, v, x, out, kind); break;"
        for k in range(len(uniform.TIERS))
    )
    calls = f"""
static void expand(int number, int kind, int n, const double *v, const double *x, double *out) {{
  if (number == 0) {{
    for (int i = 0; i < n; i++) out[i] = kind ? INFINITY : v[i] > 0 ? -INFINITY : 0;
    return;
  }}
  if (kind == 0) switch (number) {{
{small_i}
  }}
  else switch (number) {{
    case 1: from_series(n, v, x, out); break;
{small_k}
  }}
  switch (number) {{
{large}
  }}
}}
"""
    return "\n".join((INCLUDES, defines, tables, ELEMENTARY, SADDLE, sums, SMALL, calls, TILE))


def _table(name: str, values: Iterable[float]) -> str:
    return f"static const double {name}[] = {{{', '.join(repr(float(c)) for c in values)}}};"


def _uniform_sum(number: int, terms: int) -> str:
    """The sum over k in Horner's form, written out: it stays in registers."""
    total = "0.0"
    for p in reversed(uniform.polynomials(terms)[1:]):
        inner = repr(float(p[-1]))
        for c in reversed(p[:-1]):
            inner = f"fma({inner}, s, {float(c)!r})"
        total = f"w * ({inner} + {total})" if total != "0.0" else f"w * {inner}"
    return f"""
static void uniform_{number}(int n, const double *v, const double *x, double *out, int kind) {{
  double sign = kind ? -1 : 1, scale = kind ? {math.log(4 / math.pi)!r} : {math.log(4 * math.pi)!r};
  #pragma omp simd
  for (int i = 0; i < n; i++) {{
    double half, height = exponent(v[i], x[i], &half);
    double w = sign * 0.5 / half, t = v[i] * w, s = t * t;
    double sum = 1 + {total};
    out[i] = sign * height - (log_over(half, sum * sum) + scale) / 2;
  }}
}}"""
