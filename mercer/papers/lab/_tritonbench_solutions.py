"""The solutions as texts by the name of their operator."""

from __future__ import annotations

import inspect
from types import ModuleType

from mercer.papers.lab import _tritonbench_aligned as aligned_solutions
from mercer.papers.lab import _tritonbench_reducing as reducing_solutions
from mercer.papers.lab import _tritonbench_written as written_solutions

HEADER = """from __future__ import annotations
import math
from typing import Any
import torch
import torch.nn.functional as F
from torch import Tensor


"""


def solutions(channel: str) -> dict[str, str]:
    """Return a solution for every operator of a channel."""
    if channel == "triton":
        return _texts(written_solutions)
    return _texts(aligned_solutions) | _texts(reducing_solutions)


def _texts(module: ModuleType) -> dict[str, str]:
    return {
        name: HEADER + inspect.getsource(value)
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    }
