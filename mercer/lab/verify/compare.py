"""Numbers that came back against the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer.lab.verify.truth import Expected, Truth


@dataclass(frozen=True)
class Worst:
    """The entry that is furthest off, in terms of what is allowed.

    Parameters
    ----------
    name : str
        Of the tensor: "output 0", "gradient of weight".
    place : tuple of int
    found, exact : float
    error, allowed : float
        Absolute.
    margin : float
        Error over what is allowed: right at most 1.
    wrong : float
        Share of the tensor's entries that are off by more than is allowed.
    relative : float
        Median over the wrong entries of the error relative to the exact value.
    """

    name: str
    place: tuple[int, ...]
    found: float
    exact: float
    error: float
    allowed: float
    margin: float
    wrong: float
    relative: float

    def __str__(self) -> str:
        where = f"{self.name}[{', '.join(map(str, self.place))}]" if self.place else self.name
        share = f"; {100 * self.wrong:.3g} % of its entries are wrong" if self.wrong else ""
        return (
            f"{where} is {self.found:.9g}, exactly {self.exact:.9g}: "
            f"error {self.error:.2g}, allowed {self.allowed:.2g}{share}"
        )


def worst_entry(found: Tensor, expected: Expected) -> Worst | None:
    """Return the entry of a tensor with the largest margin; None of an empty tensor."""
    if not found.numel():
        return None
    exact = expected.exact
    if expected.variants:
        right = torch.stack([found == v for v in expected.variants]).any(0)
        error = torch.where(right, 0.0, (found.double() - exact.double()).abs())
        margin = torch.where(right, 0.0, math.inf)
    else:
        error = (found.double() - exact).abs()
        unknown = ~exact.isfinite() & expected.working.isfinite()
        error = torch.where(unknown | _same_overflow(found, expected), 0.0, error)
        error = error.nan_to_num(nan=math.inf, posinf=math.inf)
        margin = torch.where(error == 0, 0.0, error / expected.allowed)
    wrong = ~(margin <= 1)
    index = int(margin.flatten().argmax())
    relative = (error / exact.double().abs()).flatten()[wrong.flatten()]
    return Worst(
        expected.name,
        tuple(int(i) for i in torch.unravel_index(torch.tensor(index), found.shape)),
        float(found.flatten()[index]),
        float(exact.flatten()[index]),
        float(error.flatten()[index]),
        float(expected.allowed.flatten()[index]),
        float(margin.flatten()[index]),
        float(wrong.double().mean()),
        float(relative.median()) if relative.numel() else 0.0,
    )


def _same_overflow(found: Tensor, expected: Expected) -> Tensor:
    """Where the found entry is not finite in the way of the reference or of the rounded truth."""
    rounded = expected.exact.to(found.dtype)
    same = torch.zeros(found.shape, dtype=torch.bool)
    for other in (rounded, expected.working):
        same |= (found.isnan() & other.isnan()) | (found.isinf() & (found == other))
    return same


def agree(truth: Truth, tensors: Sequence[Tensor]) -> Worst | None:
    """Return the worst entry of all tensors: `truth` holds if its margin is at most 1.

    Where an output is wrong, the worst entry of the outputs: the rest follows from it.

    Examples
    --------
    >>> from mercer.lab import normal, problem
    >>> from mercer.lab.verify import Case, truth_of
    >>> @problem(1, {"odd": (3, 5)})
    ... class Double(torch.nn.Module):
    ...     '''Twice the input.'''
    ...     arguments = staticmethod(lambda n, m: [normal(n, m)])
    ...     def forward(self, x):
    ...         return 2 * x
    >>> truth = truth_of(Double, Case("odd"))
    >>> agree(truth, [2 * truth.inputs[0]]).margin
    0.0
    """
    rows = list(zip(tensors, truth.expected, strict=True))
    count = len(truth.cotangents)
    outputs = _worst(rows[:count])
    if outputs is not None and not outputs.margin <= 1:
        return outputs
    return _worst(rows)


def _worst(rows: Sequence[tuple[Tensor, Expected]]) -> Worst | None:
    found = [w for w in (worst_entry(y, e) for y, e in rows) if w is not None]
    return max(found, key=lambda w: w.margin, default=None)
