"""How operations on single entries are written in Triton and in C++."""

from __future__ import annotations

TRITON = {
    "add": "({0} + {1})", "sub": "({0} - {1})", "mul": "({0} * {1})", "div": "({0} / {1})",
    "neg": "(-{0})", "abs": "tl.abs({0})", "exp": "tl.exp({0})", "exp2": "tl.exp2({0})",
    "expm1": "expm1({0})", "log": "tl.log({0})", "log2": "tl.log2({0})",
    "log10": "(tl.log({0}) * 0.4342944819032518)", "log1p": "log1p({0})",
    "sqrt": "tl.sqrt({0})", "rsqrt": "(1.0 / tl.sqrt({0}))", "tanh": "tanh({0})",
    "sigmoid": "(1.0 / (1.0 + tl.exp(-{0})))", "erf": "tl.erf({0})", "sin": "tl.sin({0})",
    "cos": "tl.cos({0})", "relu": "tl.where({0} < 0, 0.0, {0})",
    "maximum": "tl.maximum({0}, {1}, tl.PropagateNan.ALL)",
    "minimum": "tl.minimum({0}, {1}, tl.PropagateNan.ALL)", "where": "tl.where({0}, {1}, {2})",
    "reciprocal": "(1.0 / {0})", "floor": "tl.floor({0})", "ceil": "tl.ceil({0})",
    "sign": "(tl.where({0} > 0, 1.0, 0.0) - tl.where({0} < 0, 1.0, 0.0))",
    "eq": "({0} == {1})", "ne": "({0} != {1})", "lt": "({0} < {1})", "le": "({0} <= {1})",
    "gt": "({0} > {1})", "ge": "({0} >= {1})", "and": "({0} & {1})", "or": "({0} | {1})",
    "not": "({0} == 0)", "isnan": "({0} != {0})",
    "remainder": "({0} - tl.floor({0} / {1}) * {1})",
    "modulo": "({0} % {1})", "pow": "power({0}, {1})",
    "float": "{0}", "int": "{0}", "position": "{0}.to(tl.int32)",
}  # fmt: skip
CPP = TRITON | {
    "abs": "std::abs({0})", "exp": "exponential({0})", "exp2": "std::exp2({0})",
    "expm1": "std::expm1({0})", "log": "std::log({0})", "log2": "std::log2({0})",
    "log10": "std::log10({0})", "log1p": "std::log1p({0})", "sqrt": "std::sqrt({0})",
    "rsqrt": "(T(1) / std::sqrt({0}))", "tanh": "std::tanh({0})",
    "sigmoid": "(T(1) / (T(1) + exponential(-{0})))", "erf": "std::erf({0})",
    "sin": "std::sin({0})", "cos": "std::cos({0})", "relu": "({0} < 0 ? T(0) : {0})",
    "maximum": "({0} > {1} || {0} != {0} ? {0} : {1})",
    "minimum": "({0} < {1} || {0} != {0} ? {0} : {1})",
    "where": "({0} ? {1} : {2})", "reciprocal": "(T(1) / {0})", "floor": "std::floor({0})",
    "ceil": "std::ceil({0})", "sign": "(T({0} > 0) - T({0} < 0))",
    "remainder": "({0} - std::floor({0} / {1}) * {1})", "pow": "std::pow({0}, {1})",
    "position": "int64_t({0})",
}  # fmt: skip
BOOLEAN = ("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "isnan")
REAL = (
    "div", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "tanh",
    "sigmoid", "erf", "sin", "cos", "reciprocal", "pow", "float", "position",
)  # fmt: skip

HELPERS = {
    "tanh": '''
@triton.jit
def tanh(x):
    """Cephes' polynomial near zero, where the quotient would cancel."""
    z = x * x
    p = -5.70498872745e-3 * z + 2.06390887954e-2
    p = (p * z - 5.37397155531e-2) * z + 1.33314422036e-1
    p = (p * z - 3.33332819422e-1) * z * x + x
    a = tl.abs(x)
    q = 1.0 - 2.0 / (tl.exp(2.0 * a) + 1.0)
    return tl.where(a < 0.625, p, tl.where(x < 0, -q, q))
''',
    "log1p": '''
@triton.jit
def log1p(x):
    """log(1 + x) with the rounding of 1 + x divided out (Kahan)."""
    u = 1.0 + x
    d = u - 1.0
    y = tl.log(u) * (x / tl.where(d == 0.0, 1.0, d))
    return tl.where(d == 0.0, x, tl.where(u > 3.0e38, u, y))
''',
    "expm1": '''
@triton.jit
def expm1(x):
    """exp(x) - 1 by its series near zero, where the difference would cancel."""
    s = x / 5040.0 + 1.0 / 720.0
    s = ((s * x + 1.0 / 120.0) * x + 1.0 / 24.0) * x + 1.0 / 6.0
    s = (s * x + 0.5) * x * x + x
    return tl.where(tl.abs(x) < 0.25, s, tl.exp(x) - 1.0)
''',
    "power": '''
@triton.jit
def power(x, y):
    """x**y; a negative base needs a whole exponent."""
    size = tl.exp2(y * tl.log2(tl.abs(x)))
    whole = tl.floor(y + 0.0 * x) == y
    odd = tl.floor(0.5 * (y + 0.0 * x)) * 2.0 != y
    signed = tl.where(odd, -size, size)
    return tl.where(x >= 0, size, tl.where(whole, signed, float("nan")))
''',
    "log_add": '''
@triton.jit
def log_add(a, b):
    """log(exp(a) + exp(b))."""
    m = tl.maximum(a, b)
    return m + tl.log(tl.exp(a - m) + tl.exp(b - m))
''',
    "larger": '''
@triton.jit
def larger(a, b):
    """The larger of two."""
    return tl.maximum(a, b)
''',
    "smaller": '''
@triton.jit
def smaller(a, b):
    """The smaller of two."""
    return tl.minimum(a, b)
''',
}
