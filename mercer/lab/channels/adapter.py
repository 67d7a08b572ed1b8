"""A text that defines a function becomes one of a module, so that one check serves both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mercer.lab.candidate import Candidate
from mercer.lab.channels.call import Call

if TYPE_CHECKING:
    from mercer.lab.channels.operator import Operator


def adapted(source: str, name: str, calls: Sequence[Call], *, model: str) -> str:
    """Append a module class that calls the function of a text in one of several ways.

    Parameters
    ----------
    source : str
        Defines the function.
    name : str
        Of the function.
    calls : sequence of Call
        The class is constructed with the number of one of them.
    model : str
        Name of the class.

    Examples
    --------
    >>> print(adapted("from torch import neg", "neg", [Call("x", {"x": "n"})], model="ModelNew"))
    from torch import neg
    <BLANKLINE>
    import torch
    <BLANKLINE>
    CALLS = [
        lambda x: neg(x),
    ]
    <BLANKLINE>
    <BLANKLINE>
    class ModelNew(torch.nn.Module):
        def __init__(self, call):
            super().__init__()
            self.call = call
    <BLANKLINE>
        def forward(self, *tensors):
            return CALLS[self.call](*tensors)
    <BLANKLINE>
    """
    rows = "".join(f"    lambda {', '.join(c.tensors)}: {name}({c.text}),\n" for c in calls)
    return f"""{source.rstrip()}

import torch

CALLS = [
{rows}]


class {model}(torch.nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, *tensors):
        return CALLS[self.call](*tensors)
"""


def adapt(operator: Operator, candidate: Candidate) -> Candidate:
    """Return the candidate for an operator's problem whose text defines the function."""
    source = adapted(candidate.source, operator.name, operator.calls, model="ModelNew")
    return Candidate(source, candidate.language, candidate.name or operator.name)
