"""What came back from a worker for one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Outputs:
    """Tensors that the worker wrote, and what it says of them.

    Parameters
    ----------
    tensors : list of Tensor
        Outputs, gradients in inputs and in parameters, buffers: copies, in the order that the judge
        laid them out. What was not written reads as NaN, or as -1 where integers were expected.
    described : list of dict
        For each output: `type`, and of a tensor `shape`, `dtype`, `device`, `aliases`.
    settled : bool
        Whether the numbers were there when the call had returned, rather than some time later.
    untouched : bool
        Whether the inputs are still what was sent.
    kept : bool
        Whether the outputs of the call before are still what they were.
    threads : int
        How many Python threads the call left behind, those of pools not counted.
    """

    tensors: list[Tensor]
    described: list[dict[str, Any]] = field(default_factory=list)
    settled: bool = True
    untouched: bool = True
    kept: bool = True
    threads: int = 0
