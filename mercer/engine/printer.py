"""A program printed as source: one line a step, in the words of a language that evaluates tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mercer.engine.program import Program

Words = Mapping[str, str]
"""How a language writes each call: a format with ``{0}``, ``{1}`` for the operands."""

ARITHMETIC: Words = {
    "fill": "{0}",
    "add": "({0} + {1})",
    "mul": "({0} * {1})",
    "square": "({0} * {0})",
    "reciprocal": "(1.0 / {0})",
}


def unknown(program: Program, words: Words) -> list[str]:
    """The calls of a program that a language has no word for."""
    calls = {step.call.removeprefix("scalar:") for step in program.steps}
    return sorted(calls - set(words))


def statements(
    program: Program,
    inputs: Sequence[str],
    scalars: Sequence[str],
    words: Words,
    number: Callable[[float], str],
    assign: str = "{name} = {value}",
) -> tuple[list[str], list[str]]:
    """The statements that evaluate a program, and the names that then hold its outputs.

    Parameters
    ----------
    program : Program
        What to print.
    inputs, scalars : sequence of str
        Names of the input tiles and of the parameters.
    words : Words
        The language.
    number : callable
        Writes a number.
    assign : str
        Writes an assignment.
    """
    names = {k: name for k, name in enumerate((*inputs, *scalars))}
    lines = []
    for step in program.steps:
        operands = [names[v] if is_register else number(v) for is_register, v in step.operands]
        names[step.target] = f"r{step.target}"
        value = _expression(step.call.removeprefix("scalar:"), operands, words)
        lines.append(assign.format(name=names[step.target], value=value))
    return lines, [names[k] for k in program.outputs]


def _expression(call: str, operands: list[Any], words: Words) -> str:
    """A call; those of more operands than the language takes are nested."""
    if call in ("maximum", "minimum") and len(operands) > 2:
        return _expression(call, [operands[0], _expression(call, operands[1:], words)], words)
    return words[call].format(*operands)
