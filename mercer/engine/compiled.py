"""A tile evaluated by one compiled loop: scores, profile and outputs in a single pass.

The torch calls of ``program.py`` read and write the tile once for each operation; here scores of
few coordinates never leave the registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mercer.engine.c_source import WORDS, Source, source
from mercer.engine.compiler import build
from mercer.engine.leaves import Coordinates, Filler
from mercer.engine.native import call, no_compiler, used_or_refused
from mercer.engine.planner import COMPILE
from mercer.engine.printer import unknown
from mercer.engine.program import Program

COMPILING = ("auto", "compiled")  # the backends that may have compiled loops


def compiled_tile(
    program: Program,
    fillers: Sequence[Filler],
    singular: Sequence[tuple[int, int]],
    parameters: Sequence[Tensor],
    batch: int,
    summands: Sequence[Tensor] = (),
) -> CompiledTile | None:
    """The compiled evaluation of a tile, or None where there is none.

    With ``summands``, one ``V [B, m, c]`` for each output, the outputs are not written but summed
    against them: ``out_i += sum_j F_ij V_j``.
    """
    points = [f.coordinates() for f in fillers]
    leaves = tuple(None if p is None else (p.kind, p.signs) for p in points)
    columns = tuple(V.shape[-1] for V in summands) or (0,) * len(program.outputs)
    what = Source(program, leaves, len(parameters), tuple(singular), columns)
    function = build(source(what))
    if function is None:
        return None
    roundings = [fillers[k].rounding for k, _ in singular]
    return CompiledTile(function, points, parameters, roundings, columns, batch, summands)


def use_compiled(backend: str, program: Program, like: Tensor, entries: int) -> bool:
    """Whether the tiles of this reduction come from a compiled loop.

    Raises
    ------
    ValueError
        If the caller named this backend and it cannot evaluate the reduction here.
    """
    if backend not in COMPILING:
        return False
    missing = unknown(program, WORDS)
    reason = None
    if not may_compile(backend, like):
        reason = f"it takes float32 on the CPU, got {like.dtype} on {like.device}"
    elif program.inputs == 0:
        reason = "the profile has no score"
    elif missing:
        reason = f"it cannot evaluate {', '.join(missing)}"
    else:
        reason = no_compiler()
    usable = used_or_refused(backend, "compiled", reason)
    return usable and (backend == "compiled" or entries >= COMPILE)


def may_compile(backend: str, like: Tensor) -> bool:
    """Whether points like these could have a compiled loop, whatever the profile."""
    return backend in COMPILING and like.device.type == "cpu" and like.dtype == torch.float32


class CompiledTile:
    """Calls the compiled function with the addresses of its arguments."""

    def __init__(
        self,
        function: Any,
        points: Sequence[Coordinates | None],
        parameters: Sequence[Tensor],
        roundings: Sequence[float],
        columns: Sequence[int],
        batch: int,
        summands: Sequence[Tensor],
    ) -> None:
        self.function, self.points = function, list(points)
        self.outputs = 0 if summands else len(columns)
        self.V = [V.mT.contiguous() for V in summands]  # [B, c, m]
        self.parameters = [p.reshape(-1).expand(batch).contiguous() for p in parameters]
        self.roundings = torch.tensor([*roundings, 0.0], dtype=torch.float32)
        self.tiles = sum(p is None for p in points)

    @property
    def buffers(self) -> int:
        """Tiles that are alive at once: an output may lie where a leaf was read."""
        return max(self.tiles, self.outputs)

    def __call__(
        self,
        tile: tuple[slice, slice, slice],
        n: int,
        m: int,
        buffers: Sequence[Tensor],
        sums: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        """Evaluate; leaves that are not made of coordinates are in the first buffers.

        ``sums [B, c, n]`` are added to where the tile was made with summands.
        """
        b, i, j = tile
        given: list[Tensor] = []
        tiles = iter(buffers)
        for p in self.points:
            given += (next(tiles),) if p is None else (p.x, p.y)
        given += [*self.parameters, self.roundings, *self.V]
        outputs = list(buffers[: self.outputs]) if sums is None else list(sums)
        size = (b.start, i.start, j.start, b.stop - b.start, i.stop - i.start, j.stop - j.start)
        call(self.function, (*size, n, m), given, outputs)
        return outputs
