"""The processes that work on one matrix, and what they tell each other."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

HALF = (torch.float16, torch.bfloat16)


class LostRank(RuntimeError):
    """Another process of the run has ended, or has not answered in time."""


class Ranks:
    """A process group, and collectives that every rank calls in the same order.

    Parameters
    ----------
    mesh : DeviceMesh of one dimension, ProcessGroup or None
        None for all processes of ``torch.distributed``.

    Raises
    ------
    RuntimeError
        If ``torch.distributed`` is not initialised.
    ValueError
        If the mesh has more than one dimension.
    """

    def __init__(self, mesh: DeviceMesh | dist.ProcessGroup | None = None) -> None:
        if not (dist.is_available() and dist.is_initialized()):
            raise RuntimeError(
                "torch.distributed is not initialised; start the script with torchrun and call "
                "mercer.distributed.initialise() first"
            )
        if isinstance(mesh, DeviceMesh):
            if mesh.ndim != 1:
                raise ValueError(
                    f"mesh must have one dimension, got {mesh.ndim}; name one, as in mesh['rows']"
                )
            mesh = mesh.get_group()
        self.group = dist.group.WORLD if mesh is None else mesh
        self.rank, self.size = dist.get_rank(self.group), dist.get_world_size(self.group)

    def sizes(self, n: int) -> tuple[int, ...]:
        """How many of ``n`` rows each rank holds: as even as they can be, the first ones more."""
        each, more = divmod(n, self.size)
        return tuple(each + (rank < more) for rank in range(self.size))

    def part(self, sizes: Sequence[int]) -> slice:
        """The rows of this rank where rank ``r`` holds ``sizes[r]`` of them."""
        start = sum(sizes[: self.rank])
        return slice(start, start + sizes[self.rank])

    def gather(self, local: Tensor, sizes: Sequence[int]) -> Tensor:
        """All blocks of rows, ``[*batch, sizes[rank], c] -> [*batch, sum(sizes), c]``.

        Each entry is computed by one rank and copied to the others, so all have the same bits.
        """
        most = max(sizes)
        rows = local.movedim(-2, 0)  # [sizes[rank], *batch, c]
        # A block of its own size goes as it is; a collective takes blocks of one size only.
        sent = rows.new_zeros(most, *rows.shape[1:])
        sent[: len(rows)] = rows
        found = sent.new_zeros(self.size * most, *sent.shape[1:])
        if found.numel():
            with self._listening("gathering rows"):
                _all_gather()(found, sent, group=self.group)
        if sum(sizes) < len(found):
            blocks = found.split(most)
            found = torch.cat([block[:size] for block, size in zip(blocks, sizes)])
        return found.movedim(0, -2)

    def sum(self, part: Tensor) -> Tensor:
        """The sum over ranks, in float32 for half precisions.

        One rank adds up each entry and the others copy it (ring and tree algorithms of gloo and
        NCCL), so all have the same bits.
        """
        wide = part.float() if part.dtype in HALF else part
        total = wide.clone(memory_format=torch.contiguous_format)
        if total.numel():
            with self._listening("adding up"):
                dist.all_reduce(total, group=self.group)
        return total.to(part.dtype)

    def first(self, value: Tensor) -> Tensor:
        """The value of the first rank; the others give a tensor of the same shape and dtype."""
        shared = value.clone(memory_format=torch.contiguous_format)
        if shared.numel():
            with self._listening("hearing from the first"):
                dist.broadcast(shared, group=self.group, group_src=0)
        return shared

    def first_text(self, text: str) -> str:
        """The text of the first rank."""
        content = torch.tensor(list(text.encode()), dtype=torch.uint8, device=self.device)
        length = self.first(torch.tensor([len(content)], device=self.device))
        if self.rank:
            content = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
        return bytes(self.first(content).tolist()).decode()

    def table(self, numbers: Sequence[int]) -> list[list[int]]:
        """The numbers of every rank; waits until all ranks have come this far."""
        mine = torch.tensor([list(numbers)], dtype=torch.int64, device=self.device)
        return self.gather(mine, [1] * self.size).tolist()

    @property
    def device(self) -> torch.device:
        """Where tensors that only collectives see are to live."""
        if "gloo" in str(dist.get_backend_config(self.group)):
            return torch.device("cpu")
        return torch.device("cuda", torch.cuda.current_device())

    @contextmanager
    def _listening(self, doing: str) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # of the backend; torch has no narrower class for gloo's
            raise LostRank(
                f"rank {self.rank} lost another of the {self.size} processes of this run while "
                f"{doing}: {reason(error)}"
            ) from error


def _all_gather() -> Callable[..., Any]:
    """One tensor in, one out; torch 2.13 gave it another name."""
    return getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor


def reason(error: RuntimeError) -> str:
    """What a backend says first, without the line of its source that said it.

    Examples
    --------
    >>> reason(RuntimeError("[/build/pair.cc:553] Connection closed by peer. Check the logs."))
    'Connection closed by peer'
    """
    first = re.sub(r"^\[[^]]*:\d+\]\s*", "", str(error).strip()).partition("\n")[0]
    return first.partition(". ")[0].rstrip(".")


def local_size() -> int:
    """How many processes of the run share this machine, by torchrun's account; else 1."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
