"""Functions that Triton does not have, as polynomials on its tiles."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def acos(x):  # type: ignore[no-untyped-def]
    """The arc cosine, to 3e-8; values beyond one, from rounding, count as one.

    References
    ----------
    M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", 4.4.46.
    https://personal.math.ubc.ca/~cbm/aands/page_81.htm
    """
    a = tl.minimum(tl.abs(x), 1.0)
    p = -0.0012624911
    p = p * a + 0.0066700901
    p = p * a - 0.0170881256
    p = p * a + 0.0308918810
    p = p * a - 0.0501743046
    p = p * a + 0.0889789874
    p = p * a - 0.2145988016
    p = p * a + 1.5707963050
    p = p * tl.sqrt(1.0 - a)
    return tl.where(x < 0, 3.1415926536 - p, p)


@triton.jit
def asin(x):  # type: ignore[no-untyped-def]
    """The arc sine."""
    return 1.5707963268 - acos(x)


@triton.jit
def tanh(x):  # type: ignore[no-untyped-def]
    """The hyperbolic tangent; a series where the quotient would cancel."""
    a = tl.abs(x)
    e = tl.exp2(-2.8853900818 * a)
    s = x * x
    small = a * (1.0 + s * (-0.3333333333 + s * (0.1333333333 - 0.0539682540 * s)))
    t = tl.where(a < 0.15, small, (1.0 - e) / (1.0 + e))
    return tl.where(x < 0, -t, t)


@triton.jit
def sign(x):  # type: ignore[no-untyped-def]
    """-1, 0 or 1."""
    return tl.where(x > 0, 1.0, 0.0) - tl.where(x < 0, 1.0, 0.0)


@triton.jit
def tf32(x):  # type: ignore[no-untyped-def]
    """A number whose first 11 bits are the nearest tf32; the tensor cores ignore the others."""
    return (x.to(tl.int32, bitcast=True) + 0x1000).to(tl.float32, bitcast=True)
