"""A function that a kernel is written for: its signature, its calls, its reference."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from mercer.lab.argument import Argument
from mercer.lab.channels.adapter import adapted
from mercer.lab.channels.call import Call
from mercer.lab.problem import SIZES, Problem
from mercer.lab.problems import FileProblem, Work, work

HEADER = """import math

import torch
import torch.nn.functional as F
from torch import Tensor
"""


class OperatorProblem(FileProblem):
    """The problem of an operator: each of its calls is a size, and the module is told which."""

    reference = Problem.reference
    draw = Problem.draw


@dataclass(frozen=True, eq=False)
class Operator:
    """A function, the calls that it must bear, and what it must return.

    Parameters
    ----------
    name : str
    signature : str
        What stands behind the name in its definition: ``"(x, weight, eps=1e-06)"``.
    description : str
        What it computes.
    reference : str
        A Python text that defines it in PyTorch.
    calls : tuple of Call
        The first one is tried at every size and is the one that is timed.
    dimensions : mapping of str to tuple of int
        What each name in a tensor's shape stands for in the sizes odd, small, desk and race.

    Examples
    --------
    >>> from mercer.lab.channels import channel
    >>> operator = channel("torch")["clamp"]
    >>> print(operator.task)
    Write the function clamp(input, min=None, max=None).
    Entries that leave an interval become its nearer end; either end may be left out.
    It is called like this, among others:
        clamp(input, -0.5, 0.5)
        clamp(input, min=0)
        clamp(input, max=1.5)
    """

    name: str
    signature: str
    description: str
    reference: str
    calls: tuple[Call, ...]
    dimensions: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        for call in self.calls:
            ast.parse(f"{self.name}({call.text})", mode="eval")

    @property
    def task(self) -> str:
        """The statement that a person or a model writes the function from."""
        calls = "".join(f"\n    {self.name}({call.text})" for call in self.calls)
        return (
            f"Write the function {self.name}{self.signature}.\n{self.description}\n"
            f"It is called like this, among others:{calls}"
        )

    @property
    def trials(self) -> tuple[str, ...]:
        """Names of the sizes that a check goes through: every call at least once."""
        return ("odd", "small", *(f"{self.name}({call.text})" for call in self.calls[1:]))

    @cached_property
    def problem(self) -> OperatorProblem:
        """The same as a problem; its module is constructed with the number of a call."""
        text = adapted(self.reference, self.name, self.calls, model="Model")
        space: dict[str, Any] = {"__name__": f"reference_of_{self.name}"}
        exec(compile(text, f"<reference of {self.name}>", "exec"), space)
        sizes = {size: (0, *self._numbers(k)) for k, size in enumerate(SIZES)}
        sizes |= {size: (k, *self._numbers(0)) for k, size in enumerate(self.trials[2:], 1)}
        return OperatorProblem(
            name=self.name,
            level=1,
            summary=self.description.split("\n")[0],
            module=space["Model"],
            arguments=self._arguments,
            sizes=sizes,
            initial=lambda call, *numbers: (call,),
            differentiable=False,
            text=text,
        )

    def work(self, size: str) -> Work:
        """Return the compulsory work of one call, from shapes alone where they tell it."""
        arguments = self.problem.arguments(*self.problem.size(size))
        whole = any(a.law == "index" for a in arguments)  # their dtype, and where they point
        return work(self.problem, size, device="cpu" if whole else "meta")

    def _numbers(self, size: int) -> list[int]:
        return [numbers[size] for numbers in self.dimensions.values()]

    def _arguments(self, call: int, *numbers: int) -> list[Argument]:
        return self.calls[call].arguments(dict(zip(self.dimensions, numbers, strict=True)))


def written(
    tensors: Mapping[str, str], dimensions: Mapping[str, tuple[int, ...]], *calls: str
) -> Callable[[Callable[..., Tensor | tuple[Tensor, ...]]], Operator]:
    """Make an operator of its reference: name, signature, docstring and text.

    Parameters
    ----------
    tensors : mapping of str to str
        Their shapes and laws, as `Call` has them, the same in every call.
    dimensions : mapping of str to tuple of int
    calls : str
        Arguments of each call.
    """

    def make(function: Callable[..., Tensor | tuple[Tensor, ...]]) -> Operator:
        source = textwrap.dedent(inspect.getsource(function))
        definition = ast.parse(source).body[0]
        text = ast.get_source_segment(source, definition)
        return Operator(
            function.__name__,
            str(inspect.signature(function)).replace("'", ""),
            inspect.cleandoc(function.__doc__ or ""),
            f"{HEADER}\n\n{text}",
            tuple(Call(call, tensors) for call in calls),
            dimensions,
        )

    return make


def aligned(
    name: str,
    signature: str,
    description: str,
    *calls: Call,
    dimensions: Mapping[str, tuple[int, ...]],
    module: str = "torch",
) -> Operator:
    """Make an operator of one of PyTorch's own functions.

    Parameters
    ----------
    name, signature, description : str
    calls : Call
    dimensions : mapping of str to tuple of int
    module : {"torch", "torch.nn.functional"}, optional
        Where the function is.
    """
    reference = f"from {module} import {name}"
    return Operator(name, signature, description, reference, calls, dimensions)


def by_name(operators: Sequence[Operator]) -> dict[str, Operator]:
    """Return operators by name."""
    found = {operator.name: operator for operator in operators}
    if len(found) != len(operators):
        raise ValueError("two operators of a channel have the same name")
    return found
