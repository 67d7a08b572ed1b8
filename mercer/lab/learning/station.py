"""A pool that is made anew when it breaks, and who is to blame for it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument, normal
from mercer.lab.candidate import Candidate
from mercer.lab.learning.examination import Examination
from mercer.lab.learning.outcome import Outcome
from mercer.lab.problem import Problem, problem
from mercer.lab.sandbox import Pool, WorkerLost
from mercer.lab.verify.check import check

BROKEN = (WorkerLost, OSError, RuntimeError)  # what a pool or a device that is gone raises


class Double(nn.Module):
    """Twice the input: what every healthy worker can do."""

    @staticmethod
    def arguments(n: int, m: int) -> list[Argument]:
        """One matrix."""
        return [normal(n, m)]

    def forward(self, x: Tensor) -> Tensor:
        """Return twice the input."""
        return x + x


DOUBLE = problem(1, {"small": (16, 32)}, differentiable=False)(Double)


TWICE = Candidate(
    "from torch import nn\n\n\nclass ModelNew(nn.Module):\n"
    "    def forward(self, x):\n        return 2 * x\n",
    "torch",
)


class Station:
    """Examine candidates one after the other, whatever they do to their workers.

    Every candidate runs in processes of its own, so a context of the device that it has corrupted
    ends with them. If a worker is lost, a program known to be good is run: if that fails as well,
    the pool is made anew, and the device is to blame if it still fails. Then the candidate is tried
    once more; only one that loses its worker beside a healthy device is itself to blame.

    Parameters
    ----------
    examination : Examination
    make_pool : callable
        Returns a new Pool.
    alone : context manager, optional
        Held during races.
    """

    def __init__(
        self,
        examination: Examination,
        make_pool: Callable[[], Pool],
        *,
        alone: contextlib.AbstractContextManager[Any] | None = None,
    ) -> None:
        self.examination, self.make_pool, self.alone = examination, make_pool, alone
        self.restarts = 0
        self.pool = make_pool()

    def __call__(self, problem: Problem, candidate: Candidate, *, seed: int = 0) -> Outcome:
        """Return the outcome of a candidate; this does not raise whatever the candidate does."""
        first = self._attempt(problem, candidate, seed)
        if first.stage != "lost":
            return first
        if not self._healthy() and not self._renewed():
            return dataclasses.replace(first, blame="device")
        second = self._attempt(problem, candidate, seed)
        blame = ""
        if second.stage == "lost":
            blame = "candidate" if self._healthy() or self._renewed() else "device"
        return dataclasses.replace(second, attempts=2, blame=blame)

    def _attempt(self, problem: Problem, candidate: Candidate, seed: int) -> Outcome:
        try:
            return self.examination(problem, candidate, pool=self.pool, alone=self.alone, seed=seed)
        except BROKEN as error:
            return Outcome("lost", feedback=f"lost: {error}")

    def _healthy(self) -> bool:
        try:
            verdict = check(
                DOUBLE,
                TWICE,
                pool=self.pool,
                device=self.pool.device,
                sizes=("small",),
                dtypes=(torch.float32,),
                seeds=1,
                timeout=self.examination.timeout,
            )
        except BROKEN:
            return False
        return verdict.right

    def _renewed(self) -> bool:
        """Make the pool anew; whether that helped."""
        with contextlib.suppress(*BROKEN):
            self.pool.close()
        try:
            self.pool = self.make_pool()
        except BROKEN:
            return False
        self.restarts += 1
        return self._healthy()

    def close(self) -> None:
        """End the pool."""
        with contextlib.suppress(*BROKEN):
            self.pool.close()

    def __enter__(self) -> Station:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
