"""The share of problems whose candidate is right and more than p times as fast."""

from __future__ import annotations

import math
from collections.abc import Sequence


def fast_p(right: Sequence[bool], speedups: Sequence[float], p: float = 1.0) -> float:
    """Return the share of problems solved rightly at a speed-up above `p`.

    Parameters
    ----------
    right : sequence of bool, one per problem
    speedups : sequence of float, one per problem
        Baseline's seconds over the candidate's; not read where `right` is false.
    p : float, at least 0
        `fast_0` is the share of right candidates.

    Raises
    ------
    ValueError
        For no problems, lengths that differ, a negative p, a speed-up that is not positive.

    Examples
    --------
    >>> fast_p([True, True, False, True], [2.5, 0.8, 9.0, 1.2], p=1.0)
    0.5

    References
    ----------
    KernelBench: Can LLMs Write Efficient GPU Kernels?, https://arxiv.org/abs/2502.10517
    """
    if len(right) != len(speedups):
        raise ValueError(
            f"right and speedups must be as long as each other, got {len(right)} and "
            f"{len(speedups)}"
        )
    if not right:
        raise ValueError("fast_p needs at least one problem, got none")
    if not p >= 0:
        raise ValueError(f"p must be at least 0, got {p}")
    for i, (solved, speedup) in enumerate(zip(right, speedups)):
        if solved and not (speedup > 0 and math.isfinite(speedup)):
            raise ValueError(f"speedups must be positive and finite, got {speedup} at {i}")
    return sum(solved and s > p for solved, s in zip(right, speedups)) / len(right)
