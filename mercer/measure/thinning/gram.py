"""Where walks and swaps run over Gram matrices in Triton."""

from __future__ import annotations

import torch
from torch import Tensor

from mercer.engine import planner
from mercer.engine.native import used_or_refused

ENTRIES = 2**30  # of Gram matrices at once


def use_triton(backend: str, X: Tensor) -> bool:
    """Whether blocks of points ``[B, m, d]`` are for Triton.

    Their Gram matrices are formed, so that no block may have more than ``ENTRIES`` entries.

    Raises
    ------
    ValueError
        If the backend is named and cannot run here.
    """
    B, m, _ = X.shape
    # Of float64 points too: the Gram matrix is torch's there.
    runs, why = planner.use_triton(backend, torch.empty(0, device=X.device))
    if runs and B * m * m > ENTRIES:
        why = f"{B} Gram matrices of {m} points have more than {ENTRIES} entries"
    return used_or_refused(backend, "triton", why)
