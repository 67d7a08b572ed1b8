"""What a failure of a certain look often comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from mercer.lab.verify.compare import Worst
from mercer.lab.verify.verdict import Trial

HALF = 2.0**-11  # unit roundoff of float16 and TF32


def hint_value(trials: Sequence[Trial]) -> str:
    """Return a sentence on the wrong numbers of the last trial; empty if nothing stands out.

    Examples
    --------
    >>> from mercer.lab.verify import Case, Trial, Worst
    >>> nan = float("nan")
    >>> worst = Worst("output 0", (2,), nan, 1.0, 1.0, 0.0, 9.0, 1.0, 1.0)
    >>> hint_value([Trial(Case("odd"), "contiguous", worst)])
    'an entry that nothing wrote reads as NaN: does the grid cover every entry?'
    """
    *passed, last = trials
    worst = last.worst
    if worst is None:
        return ""
    case = last.case
    good = [t for t in passed if t.case.size == case.size and t.case.dtype == case.dtype]
    if any(t.case == case for t in good) and last.layout != "contiguous":
        return (
            "contiguous inputs were right: use the strides and the storage offset, "
            "or call .contiguous() first"
        )
    if math.isnan(worst.found) and not math.isnan(worst.exact):
        if case.scale > 1:
            return "it overflows at this scale: subtract the largest entry before exponentials"
        return "an entry that nothing wrote reads as NaN: does the grid cover every entry?"
    if case.twin_of is not None and good:
        return "part of these inputs was seen before: are results kept from one call to the next?"
    if worst.name.startswith(("gradient", "buffer")):
        return f"the outputs are right, the {worst.name} is not"
    if good and case.scale == good[0].case.scale:
        return "earlier inputs of this size were right: does the result depend on all of the input?"
    if good:
        return f"it was right at scale {good[0].case.scale:g}: look at constants added or compared"
    if passed and case.size != passed[-1].case.size:
        return f"size {passed[0].case.size} was right: look at tiles, tails and fixed numbers"
    return _precision(worst, case.dtype)


def _precision(worst: Worst, dtype: torch.dtype) -> str:
    """Say if the error is what a lower precision makes of it."""
    if dtype == torch.float32 and HALF / 64 < worst.relative < 4 * HALF and worst.wrong > 0.05:
        return "errors are the size of half precision or TF32: compute in float32 throughout"
    if dtype == torch.float64 and worst.relative < 2.0**-20:
        return "errors are the size of float32: compute in float64 throughout"
    if worst.wrong < 0.5:
        return "only a part of the entries is wrong: look at masks and the last tile"
    return ""
