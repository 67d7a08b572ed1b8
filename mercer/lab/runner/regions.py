"""The memory shared with a worker: tensors that go in, and room for those that come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from mercer.lab.runner.meta import arrange, pack

POISON = 255  # every byte: NaN in any floating dtype, -1 in integers


class WorkerLike(Protocol):
    """What a session needs of a worker."""

    def request(self, command: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        """Send a command and return the reply."""
        ...

    def region(self, name: str) -> Tensor:
        """Return the bytes shared under a name."""
        ...


class Regions:
    """Regions ``"in"`` and ``"out"`` of a worker.

    Parameters
    ----------
    worker : WorkerLike
    """

    def __init__(self, worker: WorkerLike) -> None:
        self.worker = worker

    def put(
        self, inputs: Sequence[Tensor], cotangents: Sequence[Tensor | None] = ()
    ) -> dict[str, Any]:
        """Write tensors one after the other, and say where they are; None stays None."""
        given = [c for c in cotangents if c is not None]
        metas, _ = arrange([*inputs, *given])
        pack(self.worker.region("in"), metas, [*inputs, *given])
        rest = iter(metas[len(inputs) :])
        return {
            "inputs": [m.json() for m in metas[: len(inputs)]],
            "cotangents": [None if c is None else next(rest).json() for c in cotangents],
        }

    def clear(self, expected: Sequence[Tensor]) -> list[dict[str, Any]]:
        """Poison the room for outputs, and say where they belong."""
        self.worker.region("out").fill_(POISON)
        return [m.json() for m in arrange(list(expected))[0]]

    def taken(self, expected: Sequence[Tensor]) -> list[Tensor]:
        """Copies of what is there now."""
        metas, _ = arrange(list(expected))
        return [m.view(self.worker.region("out")).clone() for m in metas]
