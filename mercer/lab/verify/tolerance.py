r"""How far from the truth a right candidate may be: derived from the problem, never a constant.

The truth y* is the reference in float64 on the very inputs and parameters that the candidate gets.
Two things say what the working precision can know of y*, and both are measured:

- *the reference's own error* in the working dtype: what one honest way of computing it loses;
- *the conditioning*: by how much y* moves if every input and parameter moves by one unit in the
  last place, with random signs several times, and once all away from zero. The random ones are
  what rounding does to sums of mixed sign, the last one what it does to sums of one sign.

The stored output is rounded, so half a unit in the last place of y* belongs to both. The scale of
the error of an entry is the largest of these over all entries of the same tensor whose ``|y*|``
lies in the same decade: entries of like size are computed alike, and a maximum over many does not
depend on one that happened to come out exactly. Small entries so have an allowance of their own
and cannot hide behind large ones. A decade of fewer than `FEW` entries also takes the scale of the
decade above it. What is below the smallest normal number may come out as zero.

The allowed error is kappa times that scale. Another order of a sum of n terms loses up to about
sqrt(n)/3 times as much as rounding its terms (a running sum against a sum by pairs), so kappa must
be well above one; and computing in the next lower precision with p' bits instead of p loses
2^(p - p') times as much, so kappa must be well below that. The geometric mean keeps the same
distance from both:

    kappa = 2^((p - p') / 2)

That is 2^6.5, about 91, in float32 against float16 and TF32 (24 bits against 11): running sums of
several thousand terms pass, half precision inside is some twenty times too far. It is 2^14.5 in
float64 against float32, 2^3.5 in float16 and 2^2 in bfloat16 against float8 (4 bits).

A gradient is what is left of several paths from input to output, and which paths there are is the
candidate's choice: through the maximum that a softmax subtracts flow terms that cancel but for
their rounding. So half a unit in the last place of a gradient's largest entry belongs to the
scale of all of its entries.

What no tolerance can tell: a single sum of thousands of terms of one sign, of inputs rounded to
half precision. Their errors average out to less than those of a running sum in float32. The
gradients of such a sum, or a sum with fewer terms, show it.

Where the reference itself overflows, a candidate may overflow too, or be right; where only the
truth does not exist (an iteration that divides zero by zero once it is exact), nothing is asked.
Integers and booleans must be those of the truth, of the reference in the working dtype, or of a
truth with inputs moved by one unit in the last place: a tie may fall to either side.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BITS = {torch.float64: 53, torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}
NEXT_BITS = {torch.float64: 24, torch.float32: 11, torch.float16: 4, torch.bfloat16: 4}
FEW = 8  # entries of a decade below which it also takes the scale of the one above


def kappa(dtype: torch.dtype) -> float:
    """Return the factor between the scale of an error and what is allowed.

    Examples
    --------
    >>> kappa(torch.bfloat16)
    4.0
    """
    if dtype not in BITS:
        known = ", ".join(str(d) for d in BITS)
        raise ValueError(f"dtype must be one of {known}, got {dtype}")
    return float(2.0 ** ((BITS[dtype] - NEXT_BITS[dtype]) / 2))


def unit_in_last_place(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the distance to the next number of `dtype` away from zero; `x` in float64.

    Examples
    --------
    >>> unit_in_last_place(torch.tensor([1.0, 1.5, 8.0]).double(), torch.bfloat16).tolist()
    [0.0078125, 0.0078125, 0.0625]
    """
    _, exponent = torch.frexp(x)  # |x| in [2^(e-1), 2^e)
    smallest = torch.finfo(dtype).smallest_normal
    # 2^(e - p); numbers below the smallest normal have the distance of that one
    step = torch.pow(2.0, (exponent - BITS[dtype]).double())
    return step.clamp_min(smallest * torch.finfo(dtype).eps)


def perturbed(
    tensors: Sequence[Tensor], dtype: torch.dtype, generator: torch.Generator | None
) -> list[Tensor]:
    """Move each number of float64 tensors by a unit of `dtype` in the last place.

    Parameters
    ----------
    tensors : sequence of Tensor
        Those that are not floating are returned as they are.
    dtype : torch.dtype
    generator : torch.Generator, optional
        Of the signs, drawn on its own device; None moves all away from zero. Zeros stay.
    """
    moved = []
    for x in tensors:
        if not x.is_floating_point():
            moved.append(x)
            continue
        step = unit_in_last_place(x, dtype) * torch.sign(x)
        if generator is not None:
            device = generator.device
            signs = torch.randint(2, x.shape, generator=generator, device=device) * 2.0 - 1.0
            step = step * signs.to(x)
        moved.append(x + step)
    return moved


def allowed_error(
    exact: Tensor,
    working: Tensor,
    moved: Sequence[Tensor],
    dtype: torch.dtype,
    *,
    gradient: bool = False,
) -> Tensor:
    """Return the allowed absolute error of each entry.

    Parameters
    ----------
    exact : Tensor
        The truth, float64.
    working : Tensor
        The reference in the working dtype.
    moved : sequence of Tensor
        The truth of perturbed inputs, float64.
    dtype : torch.dtype
        The dtype of the output.
    gradient : bool, optional
        Whether it is a gradient: then the unit in the last place of the largest entry belongs to
        the scale of all.
    """
    rounding = unit_in_last_place(exact, dtype) / 2
    scale = torch.stack(
        [rounding, *((other.double() - exact).abs() for other in (working, *moved))]
    )
    scale = torch.where(scale.isfinite(), scale, 0.0).amax(0)
    smallest = torch.finfo(dtype).smallest_normal
    scale = _largest_by_decade(exact, scale, smallest)
    if gradient and exact.numel():
        largest = exact.abs().nan_to_num(nan=0.0, posinf=0.0).amax()
        scale = scale.clamp_min(float(unit_in_last_place(largest, dtype)) / 2)
    return kappa(dtype) * scale + torch.where(exact.abs() < smallest, smallest, 0.0)


def _largest_by_decade(exact: Tensor, scale: Tensor, smallest: float) -> Tensor:
    """Return for each entry the largest scale among the entries of its decade."""
    if not exact.numel():
        return scale
    size = exact.abs().nan_to_num(nan=0.0).clamp(smallest, torch.finfo(torch.float64).max)
    decade = torch.log10(size).floor().long().flatten()
    decade = decade - decade.min()
    count = int(decade.max()) + 1
    zeros = torch.zeros(count, dtype=scale.dtype, device=scale.device)
    largest = zeros.scatter_reduce(0, decade, scale.flatten(), "amax")
    population = torch.bincount(decade, minlength=count)
    above = torch.cat([largest[1:], largest[-1:]])
    largest = torch.where(population < FEW, torch.maximum(largest, above), largest)
    return largest[decade].view(exact.shape)
