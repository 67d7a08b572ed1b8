"""Several processes for one matrix or one fit, on ``torch.distributed``.

Every process runs the same program: vectors, centres and small factors are whole on each, and the
rows of the large matrices are divided. So that all take the same decisions, each number that comes
from a collective is computed by one rank and copied, and the rest is the same arithmetic on the
same bits; that holds where the machines of a run are of one kind.
"""

from __future__ import annotations

import datetime
import math
import os
from typing import TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from mercer.linalg.tensors import detached, replace_tensors, tensors_of
from mercer.operators import collectives
from mercer.operators.base import Operator
from mercer.operators.ranks import LostRank, Ranks, local_size, reason
from mercer.operators.sharded import Sharded

__all__ = [
    "LostRank",
    "Ranks",
    "Sharded",
    "barrier",
    "finish",
    "initialise",
    "is_initialised",
    "is_main",
    "local_size",
    "shard",
    "share",
]

TIMEOUT = 600.0  # seconds
# What torchrun tells each process, see https://docs.pytorch.org/docs/stable/elastic/run.html
TOLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
Mesh: TypeAlias = "DeviceMesh | dist.ProcessGroup | Ranks"


def initialise(timeout: float = TIMEOUT) -> bool:
    """Join the processes that ``torchrun`` started; alone, do nothing.

    gloo serves tensors on the CPU and NCCL those on GPUs, where this machine has one for each of
    its processes; the process then works on the GPU of its local rank.

    Parameters
    ----------
    timeout : float, above 0
        Seconds after which a rank that does not answer counts as lost.

    Returns
    -------
    bool
        Whether there is a process group now; also of one process, if torchrun started it.

    Raises
    ------
    LostRank
        If the others do not come.

    Examples
    --------
    >>> initialise()  # not started by torchrun
    False
    """
    if not (timeout > 0 and math.isfinite(timeout)):
        raise ValueError(f"timeout must be positive seconds, got {timeout:g}")
    if is_initialised():
        return True
    if not all(name in os.environ for name in TOLD):
        return False
    backend, local = "gloo", int(os.environ["LOCAL_RANK"])
    if torch.cuda.is_available() and torch.cuda.device_count() >= local_size():
        backend = "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(local)
        # A product waits for its collectives, so that a lost rank is an error and not an abort.
        os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
    try:
        dist.init_process_group(backend, timeout=datetime.timedelta(seconds=timeout))
    except RuntimeError as error:
        rank, size = os.environ["RANK"], os.environ["WORLD_SIZE"]
        why = reason(error)
        raise LostRank(f"rank {rank} could not reach all {size} processes: {why}") from error
    return True


def is_initialised() -> bool:
    """Whether this process belongs to a group.

    Examples
    --------
    >>> is_initialised()
    False
    """
    return dist.is_available() and dist.is_initialized()


def is_main() -> bool:
    """Whether this is the process that writes files and speaks: the first, or the only one.

    Examples
    --------
    >>> is_main()
    True
    """
    return not is_initialised() or dist.get_rank() == 0


def barrier() -> None:
    """Wait until all processes have come this far; alone, do nothing."""
    if is_initialised():
        Ranks().table([0])


def finish() -> None:
    """Leave the process group, if there is one."""
    if is_initialised():
        dist.destroy_process_group()


def share(mesh: Mesh | None, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors that are the same on every rank, for use in the block of each.

    Their gradients are summed over the ranks, so that they are those of one process.

    Parameters
    ----------
    mesh : DeviceMesh of one dimension, ProcessGroup, Ranks or None
        None for all processes.
    *tensors : Tensor
        The same on every rank.

    Returns
    -------
    tuple of Tensor
        The same values.
    """
    return collectives.share(_ranks(mesh), *tensors)


def shard(K: Operator, mesh: Mesh | None = None) -> Sharded:
    """Divide the rows of an operator that every rank has made from the same tensors.

    Nothing of ``K`` need have been computed: each rank keeps the points of its rows. Gradients in
    the tensors inside ``K`` are those of one process, on every rank. Blocks that ranks made from
    rows of their own are put together by :class:`~mercer.operators.Sharded` itself.

    Parameters
    ----------
    K : Operator, shape (*batch, n, m)
        The same on every rank.
    mesh : DeviceMesh of one dimension, ProcessGroup, Ranks or None
        Who shares the work; by default all processes.

    Returns
    -------
    Sharded
        With the tags of ``K``. The first ``n % ranks`` ranks hold a row more than the others.

    Raises
    ------
    TypeError
        If ``K`` depends on a tensor that it does not keep in its attributes.

    Examples
    --------
    In a script that ``torchrun --nproc-per-node=2`` runs::

        mercer.distributed.initialise()
        K = shard(RBF()(X))
        solve(K + 0.1 * Identity(len(X)), y).x
    """
    if isinstance(K, Sharded):
        raise TypeError("K is sharded already; shard takes the operator that every rank made")
    ranks = _ranks(mesh)
    sizes = ranks.sizes(K.n)
    tensors = tensors_of(K) if torch.is_grad_enabled() else []
    _refuse_hidden(K)
    mine = replace_tensors(K, tensors, collectives.share(ranks, *tensors))
    return Sharded(mine[..., ranks.part(sizes), :], ranks, tags=K.tags, sizes=sizes)


def _ranks(mesh: Mesh | None) -> Ranks:
    return mesh if isinstance(mesh, Ranks) else Ranks(mesh)


def _refuse_hidden(K: Operator) -> None:
    """Raise if ``K`` has a derivative in a tensor out of sight, which would not be summed."""
    if 0 in K.shape or not torch.is_grad_enabled():
        return
    corner = torch.zeros(1, dtype=torch.long, device=K.device)
    if detached(K)._entries(corner, corner).requires_grad:
        raise TypeError(
            f"{type(K).__name__} depends on a tensor that requires a gradient but is not kept in "
            "an attribute of an operator, module or dataclass; keep it in one"
        )
