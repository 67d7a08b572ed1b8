"""How Triton writes the calls of a program."""

from __future__ import annotations

from mercer.engine.printer import ARITHMETIC, Words

WORDS: Words = {
    **ARITHMETIC,
    "fill": "(tl.zeros([BM, BN], tl.float32) + {0})",
    "exp2": "tl.exp2({0})",
    "log": "tl.log({0})",
    "sqrt": "tl.sqrt({0})",
    "rsqrt": "tl.rsqrt({0})",
    "sin": "tl.sin({0})",
    "cos": "tl.cos({0})",
    "abs": "tl.abs({0})",
    "maximum": "tl.maximum({0}, {1})",
    "minimum": "tl.minimum({0}, {1})",
    "pow": "tl.exp2({1} * tl.log2({0}))",
    "acos": "acos({0})",
    "asin": "asin({0})",
    "tanh": "tanh({0})",
    "sign": "sign({0})",
}
