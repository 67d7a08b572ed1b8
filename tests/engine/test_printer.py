"""Printed programs, run by Python, against SymPy's own printer."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from mercer.engine.printer import ARITHMETIC, statements, unknown
from mercer.engine.program import compile_program

PYTHON = {
    **ARITHMETIC,
    "exp2": "np.exp2({0})",
    "exp": "np.exp({0})",
    "log": "np.log({0})",
    "sqrt": "np.sqrt({0})",
    "rsqrt": "(1.0 / np.sqrt({0}))",
    "sin": "np.sin({0})",
    "cos": "np.cos({0})",
    "abs": "np.abs({0})",
    "sign": "np.sign({0})",
    "maximum": "np.maximum({0}, {1})",
    "minimum": "np.minimum({0}, {1})",
    "pow": "np.power({0}, {1})",
}
x, y = sympy.symbols("x y", positive=True)
p = sympy.Symbol("p0", real=True)
PROGRAMS = {
    "gaussian": [sympy.exp(-x / 2)],
    "polynomial": [(x + p) ** 3, 3 * (x + p) ** 2],
    "powers": [x**7 + y**-3, x ** sympy.Rational(5, 2), y ** sympy.Rational(-1, 2), x**p, x**17],
    "extrema": [sympy.Max(0, 1 - x, y - p), sympy.Min(x, y, p, sympy.Rational(1, 2))],
    "functions": [sympy.sin(x) * sympy.cos(y), sympy.log(1 + x), sympy.Abs(x - y),
                  sympy.sign(x - y)],
    "common parts": [sympy.exp(-x) * (1 + x), sympy.exp(-x) * x, sympy.exp(-x) + p * sympy.exp(-y)],
    "constants": [sympy.Integer(3), p, p**2 + 1, x * 0 + sympy.pi],
    "an input": [x, y],
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("at", [(0.3, 2.5, 0.75), (4.0, 1.0, 1.5)])
def test_statements_equal_lambdify(name, at):
    expressions = PROGRAMS[name]
    program = compile_program(tuple(expressions), (x, y), (p,))
    lines, outputs = statements(program, ["a", "b"], ["q"], PYTHON, repr)
    place = {"np": np, "a": np.float64(at[0]), "b": np.float64(at[1]), "q": np.float64(at[2])}
    exec("\n".join(lines), place)
    want = sympy.lambdify((x, y, p), expressions, "math")(*at)
    got = [float(place[name] if name in place else eval(name, place)) for name in outputs]
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_assignment_and_numbers():
    program = compile_program((sympy.exp(x) * 2 + p,), (x,), (p,))
    lines, (out,) = statements(
        program, ["L0"], ["p0"], {**ARITHMETIC, "exp": "expf({0})"}, lambda v: f"{v!r}f",
        "float {name} = {value};",
    )  # fmt: skip
    assert all(line.startswith("float r") and line.endswith(";") for line in lines)
    assert "2.0f" in "".join(lines)
    assert "expf(L0)" in "".join(lines)
    assert lines[-1].startswith(f"float {out} = ")


def test_more_than_two_operands_are_nested():
    program = compile_program((sympy.Max(x, y, p),), (x, y), (p,))
    lines, (out,) = statements(program, ["a", "b"], ["q"], PYTHON, repr)
    place = {"np": np}
    for values in [(1.0, 2.0, 3.0), (3.0, 1.0, 2.0), (2.0, 3.0, 1.0)]:
        place |= dict(zip("abq", values))
        exec("\n".join(lines), place)
        assert place[out] == 3.0


def test_unknown_calls_are_named():
    program = compile_program((sympy.erf(x) + sympy.atan(y) + sympy.log(p),), (x, y), (p,))
    assert unknown(program, PYTHON) == ["atan", "erf"]
    assert unknown(program, {**PYTHON, "erf": "{0}", "atan": "{0}"}) == []
    assert unknown(program, ARITHMETIC) == ["atan", "erf", "log"]
