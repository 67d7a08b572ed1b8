"""A matrix whose rows lie with several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from mercer.operators.base import Operator
from mercer.operators.batch import Keys, take_batch
from mercer.operators.collectives import gather, own, share, total
from mercer.operators.ranks import Ranks
from mercer.operators.selection import transposed_tags

Product: TypeAlias = Callable[["Sharded", Tensor], Tensor]


class Sharded(Operator):
    """Rows of a matrix over the ranks of a process group; vectors are whole on every rank.

    Every rank makes it, and calls the same methods on it in the same order. ``K @ V`` is the
    product of each rank's block, gathered; ``K.mT @ U`` is each block's adjoint on its rows of
    ``U``, summed over ranks. Either is the same on every rank, bit by bit, where the operands are.

    Gradients of operands are those of one process and the same on every rank. Gradients of tensors
    inside the block belong to the rank that holds it; those of tensors that all blocks share are
    summed if they were passed through :func:`mercer.distributed.share`.

    Parameters
    ----------
    block : Operator, shape (*batch, n_r, m)
        The rows of this rank, of which there may be none.
    mesh : DeviceMesh of one dimension, ProcessGroup or Ranks, optional
        The ranks, in the order of the rows; by default all processes.
    tags : iterable of str
        What is known of the whole matrix; ``symmetric`` makes ``mT`` the operator itself.
    sizes : sequence of int, optional
        ``n_r`` of each rank, if it is known; otherwise the ranks tell each other.

    Raises
    ------
    ValueError
        If the blocks differ in batch or columns.

    Examples
    --------
    In a script that ``torchrun --nproc-per-node=2`` runs::

        mercer.distributed.initialise()
        rows = slice(0, 600) if rank == 0 else slice(600, 1000)
        K = Sharded(RBF()(X[rows], Y))
        K @ torch.ones(len(Y))  # the same 1000 numbers on both ranks
    """

    def __init__(
        self,
        block: Operator,
        mesh: DeviceMesh | dist.ProcessGroup | Ranks | None = None,
        *,
        tags: Any = (),
        sizes: Sequence[int] | None = None,
    ) -> None:
        self.ranks = mesh if isinstance(mesh, Ranks) else Ranks(mesh)
        self.block = block
        self.sizes = tuple(_agreed(block, self.ranks) if sizes is None else sizes)
        shape = (*block.batch, sum(self.sizes), block.m)
        super().__init__(shape, block.dtype, block.device, tags)

    def _matmul(self, V: Tensor) -> Tensor:
        return _unseen_by_the_compiler(_product)(self, V)

    def _adjoint(self) -> Operator:
        return _Adjoint(self)

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        rows = self.ranks.part(self.sizes)
        mine = (i >= rows.start) & (i < rows.stop)
        found = self.block._entries(i[mine] - rows.start, j[mine])  # [*batch, entries]
        out = found.new_zeros(*self.batch, *i.shape)
        out[..., mine] = found
        return total(self.ranks, out)

    def _take_batch(self, keys: Keys) -> Sharded:
        block = take_batch(self.block, 2, self.batch, keys)
        return Sharded(block, self.ranks, tags=self.tags, sizes=self.sizes)

    def columns(self, index: Tensor) -> Tensor:
        """The columns in ``index`` as a dense ``[*batch, n, len(index)]``, each rank its rows."""
        return gather(self.ranks, self.sizes, self.block.columns(index))

    def dense(self) -> Tensor:
        """The whole matrix, on every rank."""
        block = self.block.dense().expand(self.block.shape)
        return gather(self.ranks, self.sizes, block)

    def explain(self) -> str:
        """Which rows lie here, and how their block is applied."""
        rows, said = self.ranks.part(self.sizes), getattr(self.block, "explain", None)
        return (
            f"{self!r} over {self.ranks.size} ranks; rank {self.ranks.rank} holds rows "
            f"{rows.start} to {rows.stop}: {repr(self.block) if said is None else said()}"
        )


class _Adjoint(Operator):
    """The transpose: columns lie with several processes, and products are sums over them."""

    def __init__(self, whole: Sharded) -> None:
        shape = (*whole.batch, whole.m, whole.n)
        super().__init__(shape, whole.dtype, whole.device, transposed_tags(whole.tags))
        self.whole = whole

    def _matmul(self, U: Tensor) -> Tensor:
        return _unseen_by_the_compiler(_adjoint_product)(self.whole, U)

    def _adjoint(self) -> Operator:
        return self.whole

    def _entries(self, i: Tensor, j: Tensor) -> Tensor:
        return self.whole._entries(j, i)

    def _take_batch(self, keys: Keys) -> Operator:
        return self.whole._take_batch(keys)._adjoint()

    def dense(self) -> Tensor:
        """The whole matrix, on every rank."""
        return self.whole.dense().mT


def _unseen_by_the_compiler(function: Product) -> Product:
    """The function; while compiling, one that is not traced: a process group has no constants."""
    return torch.compiler.disable(function) if torch.compiler.is_compiling() else function


def _product(K: Sharded, V: Tensor) -> Tensor:
    (V,) = share(K.ranks, V)
    return gather(K.ranks, K.sizes, K.block._matmul(V))


def _adjoint_product(K: Sharded, U: Tensor) -> Tensor:
    return total(K.ranks, K.block.mT._matmul(own(K.ranks, K.sizes, U)))


def _agreed(block: Operator, ranks: Ranks) -> list[int]:
    """The number of rows of each rank, after a look at what must be alike."""
    table = ranks.table([block.n, len(block.batch)])
    if len({row[1] for row in table}) == 1:
        shapes = ranks.table([*block.batch, block.m])
        if all(row == shapes[0] for row in shapes):
            return [row[0] for row in table]
        found = "; ".join(f"rank {r}: {tuple(row)}" for r, row in enumerate(shapes))
    else:
        found = "; ".join(f"rank {r}: {row[1]} batch axes" for r, row in enumerate(table))
    raise ValueError(f"the blocks of all ranks need one batch and as many columns, got {found}")
