"""The torch backend: a reduction evaluated tile by tile, so that no n-by-m array exists.

Shapes here: ``X[k] [B, n, d_k]``, ``Y[k] [B, m, d_k]``, ``parameters[k] [B]``, ``V [B, m, c]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sympy
import torch
from torch import Tensor

from mercer.engine.compiled import CompiledTile, compiled_tile, may_compile, use_compiled
from mercer.engine.fold import Leaf, fold
from mercer.engine.formula import Formula
from mercer.engine.leaves import Buffer, Filler, centred, is_rough, is_singular, make_filler
from mercer.engine.mask import Mask
from mercer.engine.native import used_or_refused
from mercer.engine.planner import Plan, plan_tiles
from mercer.engine.program import Program, compile_program


@dataclass
class Tile:
    """Where a tile lies."""

    b: slice
    i: slice
    j: slice
    partial: bool  # the mask cuts through it

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(tb, tn, tm)``."""
        b, i, j = self.b, self.i, self.j
        return b.stop - b.start, i.stop - i.start, j.stop - j.start


class Evaluator:
    """Evaluates several expressions over the same scores, tile by tile."""

    def __init__(
        self,
        expressions: Sequence[sympy.Expr],
        formula: Formula,
        X: list[Tensor],
        Y: list[Tensor],
        parameters: list[Tensor],
        mask: Mask,
        precision: str,
        backend: str,
        rows: int,
        columns: int,
        summands: Sequence[Tensor] = (),
    ) -> None:
        self.B, self.n, self.m = X[0].shape[0], rows, columns
        self.mask = mask
        self.parameters = [p.view(-1, 1, 1) for p in parameters]
        self.X, self.Y = centred(formula.kinds, X, Y)
        symbols = tuple(formula.symbols)
        folded, leaves = fold(tuple(expressions), formula.kinds, symbols)
        self.leaves: tuple[Leaf, ...] = leaves
        self.program: Program = compile_program(
            folded, tuple(leaf.symbol for leaf in leaves), tuple(formula.parameter_symbols)
        )
        x = X[0]
        entries = self.B * self.n * self.m
        wanted = use_compiled(backend, self.program, x, entries)
        rough = is_rough(formula)
        self.fillers: list[Filler] = [
            make_filler(leaf, formula.kinds, self.X, self.Y, rough, precision, wanted)
            for leaf in leaves
        ]
        # (leaf, output): where the leaf is zero a singular output counts as zero
        self.singular = [
            (k, out)
            for k, leaf in enumerate(leaves)
            for out, e in enumerate(folded)
            if is_singular(e, leaf, formula.kinds)
        ]
        self.compiled: CompiledTile | None = None
        if wanted:
            self.compiled = compiled_tile(
                self.program, self.fillers, self.singular, self.parameters, self.B, summands
            )
        if self.compiled is None:
            used_or_refused(backend, "compiled", "the compiler refused the tile")
            buffers = max(self.program.buffers, 1) + 1
        else:
            buffers = self.compiled.buffers
        self.plan: Plan = plan_tiles(self.B, self.n, self.m, buffers, x.itemsize, x.device)
        self._memory = [Buffer() for _ in range(buffers)]
        self._index = (
            torch.arange(max(self.n, self.m), device=x.device) if not mask.everything else None
        )

    def tiles(self) -> Iterator[Tile]:
        """The tiles that the mask does not empty, columns innermost."""
        for b in _cut(self.B, self.plan.batch):
            for i in _cut(self.n, self.plan.rows):
                for j in _cut(self.m, self.plan.columns):
                    rows, columns = range(i.start, i.stop), range(j.start, j.stop)
                    part = self.mask.of_tile(rows, columns)
                    if part != "none":
                        yield Tile(b, i, j, part == "some")

    def __call__(self, tile: Tile, first: Tensor | None = None) -> list[Tensor]:
        """The expressions on one tile; the memory is overwritten by the next call.

        ``first`` is memory for the first buffer, where the result of a single leaf comes to lie.
        """
        x = self.X[0]
        shaped = [memory.take(tile.shape, x.dtype, x.device) for memory in self._memory]
        if first is not None:
            shaped[0] = first
        if self.compiled is None:
            outputs = self._by_torch(tile, shaped)
        else:
            self._fill_products(tile, shaped)
            outputs = self.compiled((tile.b, tile.i, tile.j), self.n, self.m, shaped)
        if tile.partial and self._index is not None:
            for K in outputs:
                allowed = self.mask.allows(self._index[tile.i, None], self._index[tile.j])
                K.masked_fill_(~allowed, 0.0)
        return outputs

    def sums(self) -> list[Tensor]:
        """All tiles, summed against the summands as they are evaluated: ``[B, n, c]`` each."""
        assert self.compiled is not None
        like, out = self.X[0], []
        for V in self.compiled.V:
            out.append(like.new_zeros(self.B, V.shape[1], self.n))
        for tile in self.tiles():
            shaped = [memory.take(tile.shape, like.dtype, like.device) for memory in self._memory]
            self._fill_products(tile, shaped)
            self.compiled((tile.b, tile.i, tile.j), self.n, self.m, shaped, out)
        return [s.mT for s in out]

    def _fill_products(self, tile: Tile, buffers: list[Tensor]) -> None:
        """Those leaves of a compiled tile that are matrix products."""
        assert self.compiled is not None
        products = [f for f, p in zip(self.fillers, self.compiled.points) if p is None]
        for f, out in zip(products, buffers):
            f.fill(out, tile.b, tile.i, tile.j)

    def _by_torch(self, tile: Tile, shaped: list[Tensor]) -> list[Tensor]:
        inputs = [f.fill(out, tile.b, tile.i, tile.j) for f, out in zip(self.fillers, shaped)]
        zero = {k: inputs[k].abs() <= self.fillers[k].rounding for k, _ in self.singular}
        scalars = [p[tile.b] if p.shape[0] > 1 else p[0, 0, 0] for p in self.parameters]
        outputs = self.program(inputs, scalars, like=shaped[-1], spare=shaped[len(inputs) :])
        for k, out in self.singular:
            outputs[out].masked_fill_(zero[k], 0.0)
        return outputs

    def why(self) -> str:
        """What was chosen, for people."""
        scores = "; ".join(sorted({f.why for f in self.fillers}))
        how = "torch calls" if self.compiled is None else "one compiled loop"
        return f"torch backend, {how} over {self.plan}. Scores: {scores or 'none'}."


def reduce_tiles(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    V: Tensor,
    mask: Mask,
    precision: str,
    backend: str,
) -> Tensor:
    """``out_i = sum_j F(s(x_i, y_j)) V_j``: ``[B, n, c]``."""
    n, m = X[0].shape[-2], V.shape[-2]
    summands = [V] if may_fuse([V], mask, backend, X[0]) else []
    evaluate = Evaluator(
        [formula.expression], formula, X, Y, parameters, mask, precision, backend, n, m, summands
    )
    if summands and evaluate.compiled is not None:
        return evaluate.sums()[0]
    total = Accumulator(V, n)
    for tile in evaluate.tiles():
        (K,) = evaluate(tile)
        total.add(K, tile.b, tile.i, tile.j)
    return total.result()


def may_fuse(summands: Sequence[Tensor], mask: Mask, backend: str, like: Tensor) -> bool:
    """Whether a compiled loop may sum against these ``V [B, m, c]`` in registers."""
    columns = [V.shape[-1] for V in summands]
    few = 0 not in columns and sum(columns) <= FUSED
    return few and mask.everything and may_compile(backend, like)


def dense_tiles(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    precision: str,
    backend: str,
) -> Tensor:
    """The matrix itself, ``[B, n, m]``, filled tile by tile."""
    B, n, m = X[0].shape[0], X[0].shape[-2], Y[0].shape[-2]
    out = X[0].new_empty(B, n, m)
    expressions = [formula.expression]
    evaluate = Evaluator(expressions, formula, X, Y, parameters, Mask(), precision, backend, n, m)
    evaluate.plan = evaluate.plan.whole_rows(m)
    for tile in evaluate.tiles():
        part = out[tile.b, tile.i]  # contiguous: the tile is evaluated where it belongs
        (K,) = evaluate(tile, part)
        if K.data_ptr() != part.data_ptr():
            part.copy_(K)
    return out


def row_maximum_tiles(
    formula: Formula,
    X: list[Tensor],
    Y: list[Tensor],
    parameters: list[Tensor],
    mask: Mask,
    precision: str,
    backend: str,
) -> Tensor:
    """``max_j F(s(x_i, y_j))`` over the columns that the mask allows: ``[B, n]``."""
    n, m = X[0].shape[-2], Y[0].shape[-2]
    out = X[0].new_full((X[0].shape[0], n), -torch.inf)
    evaluate = Evaluator(
        [formula.expression], formula, X, Y, parameters, mask, precision, backend, n, m
    )
    for tile in evaluate.tiles():
        (K,) = evaluate(tile)  # masked entries are zero: a maximum that is too large does no harm
        here = out[tile.b, tile.i]
        torch.maximum(here, K.amax(-1), out=here)
    return out


FUSED = 12  # columns that a compiled loop sums in registers; of more, a stored tile is quicker
WIDTH = 16  # BLAS is quickest with this many columns, or a multiple


class Accumulator:
    """Sums products ``K V`` of tiles with a few columns.

    The layout decides the speed, by up to a factor of ten. For tiles as they are filled, columns
    are padded to a multiple of 16; for transposed tiles, and for two columns, the long sides are
    made contiguous: ``[B, c, n]`` and ``[B, c, m]``.

    Parameters
    ----------
    V : Tensor, shape (B, m, c)
        What the tiles are applied to.
    n : int
        Rows of the result.
    transposed : bool
        Whether the tiles will come as transposes of tiles that were filled.
    """

    def __init__(self, V: Tensor, n: int, transposed: bool = False) -> None:
        self.c = V.shape[-1]
        self.across = transposed or self.c <= 2
        if self.across:
            self.V = V.mT.contiguous()  # [B, c, m]
            self.out = V.new_zeros(V.shape[0], self.c, n)
        else:
            padding = -self.c % WIDTH
            self.V = torch.nn.functional.pad(V, (0, padding)).contiguous()  # [B, m, 16 k]
            self.out = V.new_zeros(V.shape[0], n, self.c + padding)

    def add(self, K: Tensor, b: slice, i: slice, j: slice) -> None:
        """``out[i] += K V[j]`` for a tile ``K [b, i, j]``."""
        if self.across:
            out, V = self.out[b, :, i], self.V[b, :, j]
            if K.shape[0] > 1:
                out.baddbmm_(V, K.mT)
            elif self.c == 1:
                out[0, 0].addmv_(K[0], V[0, 0])
            else:
                out[0].addmm_(V[0], K[0].mT)
        elif K.shape[0] > 1:
            self.out[b, i].baddbmm_(K, self.V[b, j])
        else:
            self.out[b.start, i].addmm_(K[0], self.V[b.start, j])

    def result(self) -> Tensor:
        """The sum, ``[B, n, c]``."""
        out = self.out.mT if self.across else self.out[..., : self.c]
        return out.contiguous()


def _cut(size: int, step: int) -> Iterator[slice]:
    for start in range(0, size, step):
        yield slice(start, min(start + step, size))
