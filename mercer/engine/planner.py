"""The one place that decides how a reduction runs, and says why."""

from __future__ import annotations

import functools
import importlib.util
import math
import os
from dataclasses import dataclass

import torch
from torch import Tensor

PRECISIONS = ("highest", "high", "medium")
SMALL = 2**16  # entries up to which the matrix is simply formed
COMPILE = 2**24  # entries from which a compiled tile is worth the half second of its making
LOW_DIMENSION = 3  # up to here differences cost no more than a matrix product
LOW_COMPILED = 12  # and up to here in a compiled loop
TILE_BYTES = {"cpu": 8 * 2**20, "cuda": 256 * 2**20}  # all buffers of a tile together
TOLERANCE = {torch.float32: 4e-6, torch.float64: 1e-9}  # rounding allowed in a score


@dataclass(frozen=True)
class Plan:
    """How one reduction runs.

    ``batch``, ``rows`` and ``columns`` are the tile; ``why`` is a sentence for people.
    """

    batch: int
    rows: int
    columns: int
    why: str

    def whole_rows(self, m: int) -> Plan:
        """As many entries in tiles as wide as the matrix, of one batch each."""
        rows = max(self.batch * self.rows * self.columns // max(m, 1), 1)
        return Plan(1, rows, max(m, 1), self.why)

    def __str__(self) -> str:
        return f"tiles of {self.batch} x {self.rows} x {self.columns}: {self.why}"


def plan_tiles(B: int, n: int, m: int, buffers: int, itemsize: int, device: torch.device) -> Plan:
    """The tile for ``B`` matrices of ``n x m`` when ``buffers`` tiles are alive at once."""
    if buffers == 0:  # nothing is stored: the points of a tile stay in the inner caches
        rows, columns = max(min(n, 2**14), 1), max(min(m, 2**12), 1)
        return Plan(1, rows, columns, "sums in registers, no tile is stored")
    budget = TILE_BYTES.get(device.type, TILE_BYTES["cuda"])
    entries = max(budget // (buffers * itemsize), 2**12)
    columns = min(m, max(2048, entries // max(n, 1)))
    rows = min(n, max(entries // max(columns, 1), 1))
    batch = min(B, max(entries // max(rows * columns, 1), 1))
    used = buffers * batch * rows * columns * itemsize / 2**20
    why = f"{buffers} buffers, {used:.1f} MiB, stay in the cache of the {device.type}"
    return Plan(max(batch, 1), max(rows, 1), max(columns, 1), why)


def use_triton(backend: str, like: Tensor) -> tuple[bool, str]:
    """Whether points like these are for Triton, and why not."""
    if backend not in ("auto", "triton"):
        return False, f'backend="{backend}"'
    if like.dtype != torch.float32:
        return False, f"it takes float32, got {_name(like.dtype)}"
    if not _has_triton():
        return False, "triton is not installed"
    if like.device.type == "cuda" or (backend == "triton" and interpreted()):
        return True, ""
    return False, f"it needs a GPU or TRITON_INTERPRET=1, the points are on the {like.device}"


def interpreted() -> bool:
    """Whether Triton programs run in its interpreter, on the CPU."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"


@functools.cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def score_method(
    d: int,
    spread: float,
    rough: bool,
    dtype: torch.dtype,
    precision: str,
    compiled: bool = False,
) -> tuple[str, str]:
    """How squared distances are computed: ``difference``, ``product`` or ``wide``, and why.

    ``spread`` is the largest squared norm of a centred, scaled point: a matrix product loses
    ``eps * spread`` of each squared distance to cancellation, differences lose nothing.
    """
    if d <= (LOW_COMPILED if compiled else LOW_DIMENSION):
        return "difference", f"{d} coordinates: differences cost no more than a product"
    if precision != "highest":
        return "product", f'precision="{precision}"'
    lost = torch.finfo(dtype).eps * spread
    if not rough and lost <= TOLERANCE[dtype]:
        return "product", f"a matrix product loses about {lost:.0e} of a squared distance"
    reason = (
        "the profile is not smooth at zero"
        if rough
        else f"a {_name(dtype)} product would lose {lost:.0e}"
    )
    if dtype == torch.float32 and not (compiled and d <= 64):
        return "wide", f"{reason}: the scores are summed in float64"
    if d <= 64 and not math.isnan(lost) and (compiled or lost > TOLERANCE[dtype]):
        return "difference", reason
    return "product", f"{_name(dtype)}; a product loses about {lost:.0e}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
