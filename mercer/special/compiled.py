"""Values on the CPU by the loop in C."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.engine.compiler import build
from mercer.engine.native import LOOPS, check_backend, obstacle, run, used_or_refused
from mercer.special.c_source import source
from mercer.special.regimes import Kind

COMPILE = 1 << 14  # elements from which "auto" compiles


def use_compiled(backend: str, v: Tensor) -> bool:
    """Whether values come from the compiled loop.

    Raises
    ------
    ValueError
        If the backend is unknown, or was named and cannot be used here.
    """
    check_backend(backend, LOOPS)
    if backend == "torch" or (backend == "auto" and v.numel() < COMPILE):
        return False
    reason = obstacle(v.device)
    if reason is None and build(source()) is None:
        reason = "the C compiler could not compile it"
    return used_or_refused(backend, "compiled", reason)


def evaluate(kind: Kind, v: Tensor, x: Tensor) -> Tensor:
    """``log I_v(x)`` or ``log K_v(x)`` for ``v >= 0``, ``x >= 0`` in float64, ``[n]``."""
    value = torch.empty(len(x), dtype=x.dtype)
    run(source(), (len(v), kind == "k"), (v.contiguous(), x.contiguous()), (value,))
    return value
