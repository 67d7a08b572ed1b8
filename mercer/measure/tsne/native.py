"""Loops in C for what torch has no call for: sparse sums, stencils and selection on the CPU.

The torch code beside each of them says what it computes, and runs where there is no compiler, on a
GPU and where ``backend="torch"`` is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mercer.engine.native import LOOPS, REAL, check_backend, obstacle, run, used_or_refused

HEAD = """
#include <stdint.h>
#include <string.h>
#include <math.h>
#include <omp.h>
typedef REAL real;
"""


def resolve(backend: str, device: torch.device) -> str:
    """The backend that runs: "compiled" on a CPU with a C compiler, else "torch".

    Raises
    ------
    ValueError
        If there is no such backend, or the one named cannot run here.

    Examples
    --------
    >>> resolve("torch", torch.device("cpu"))
    'torch'
    """
    check_backend(backend, LOOPS)
    return "compiled" if used_or_refused(backend, "compiled", obstacle(device)) else "torch"


def call(
    source: str,
    dtype: torch.dtype,
    sizes: Sequence[int],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
) -> None:
    """Run a source, see :func:`mercer.engine.native.run`, in which ``real`` is the dtype."""
    run(HEAD.replace("REAL", REAL[dtype]) + source, sizes, inputs, outputs)
