"""One way in which a function is called: the text of the arguments, the law of the tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer.lab.argument import Argument


@dataclass(frozen=True)
class Codes(Argument):
    """Integers of eight bits, uniform on -127 to 127."""

    law: str = "index"
    high: int = 255
    gradient: bool = False

    def draw(
        self,
        generator: torch.Generator,
        *,
        dtype: torch.dtype = torch.float32,
        scale: float = 1.0,
    ) -> Tensor:
        """Draw the tensor on the CPU, contiguous."""
        return (super().draw(generator) - 127).to(torch.int8)


@dataclass(frozen=True)
class Call:
    """A call of a function.

    Parameters
    ----------
    text : str
        What stands between the parentheses.
    tensors : mapping of str to str
        For each tensor that the text names, its shape, of names and numbers and their products,
        and behind a tilde its law if that is not normal; "index" is followed by what the indices
        are below, "int8" stands for codes.

    Examples
    --------
    >>> call = Call("x, 0, index=i", {"x": "n m ~ positive", "i": "2*m ~ index n"})
    >>> [(a.shape, a.law, a.high) for a in call.arguments({"n": 7, "m": 3})]
    [((7, 3), 'positive', 0), ((6,), 'index', 7)]
    """

    text: str
    tensors: Mapping[str, str]

    def arguments(self, dimensions: Mapping[str, int]) -> list[Argument]:
        """Return the tensors' laws with numbers in place of the names."""
        return [_argument(spec, dimensions) for spec in self.tensors.values()]


def call(text: str, **tensors: str) -> Call:
    """Return a call, its tensors given by name."""
    return Call(text, tensors)


def _argument(spec: str, dimensions: Mapping[str, int]) -> Argument:
    axes, _, law = spec.partition("~")
    shape = tuple(_number(word, dimensions) for word in axes.split())
    kind, *high = law.split() or ["normal"]
    if kind == "int8":
        return Codes(shape)
    return Argument(shape, kind, _number(high[0], dimensions) if high else 0, gradient=False)


def _number(word: str, dimensions: Mapping[str, int]) -> int:
    return math.prod(int(w) if w.isdecimal() else dimensions[w] for w in word.split("*"))
