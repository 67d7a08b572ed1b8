"""The judge's end of a worker: it lays out tensors, asks, and reads what was written."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mercer.lab.candidate import Candidate
from mercer.lab.problem import Problem
from mercer.lab.runner.digest import digests
from mercer.lab.runner.laps import place, rolled, turns
from mercer.lab.runner.meta import ALIGNMENT, arrange, dtype_name
from mercer.lab.runner.outputs import Outputs
from mercer.lab.runner.regions import Regions, WorkerLike
from mercer.lab.runner.state import initial_state

SAID = 8192  # characters that are kept of an error


class Refused(Exception):
    """The candidate answered a command with an error; `str` is its sentence."""

    def __init__(self, command: str, error: str, trace: str = "") -> None:
        super().__init__(error)
        self.command, self.trace = command, trace


class Session:
    """One candidate in one worker.

    Parameters
    ----------
    worker : Worker
        With regions ``"in"`` and ``"out"``; `room` says how large.
    problem : Problem
    candidate : Candidate
    device : str, optional
    timeout : float, optional
        Seconds for one command.
    """

    def __init__(
        self,
        worker: WorkerLike,
        problem: Problem,
        candidate: Candidate,
        device: str = "cpu",
        *,
        timeout: float = 60.0,
    ) -> None:
        self.worker, self.problem, self.candidate = worker, problem, candidate
        self.device, self.timeout = device, timeout
        self._regions = Regions(worker)
        self._gradient: list[bool] = []
        self._names: list[str] = []
        self._expected: Sequence[Tensor] = ()
        self._sets: list[Sequence[Tensor]] = []
        self._shifts: list[int] = []
        self._starts: list[int] = []
        self._rounds = self._calls = 0
        self._chance = random.SystemRandom()
        self._seen: list[list[int]] = []  # digests that were replied to `time`
        self._previous: list[int] = []  # digests of what the last call delivered

    def load(self, size: str, dtype: torch.dtype, seed: int) -> None:
        """Build the candidate's module, with the reference's parameters of this seed."""
        state = initial_state(self.problem, size, dtype=dtype, seed=seed)
        laid = self._regions.put(list(state.tensors.values()))
        self._gradient = self.problem.gradients(size)
        self._names, self._previous = state.names, []
        self._ask(
            "load",
            source=self.candidate.source,
            language=self.candidate.language,
            device=self.device,
            dtype=dtype_name(dtype),
            seed=seed,
            initial=self.problem.initial(*self.problem.size(size)),
            parameters=dict(zip(state.tensors, laid["inputs"])),
        )

    def call(
        self,
        inputs: Sequence[Tensor],
        *,
        expected: Sequence[Tensor],
        cotangents: Sequence[Tensor | None],
        layout: str = "contiguous",
        backward: bool = False,
        state: Sequence[str] = (),
    ) -> Outputs:
        """Run the candidate once.

        Parameters
        ----------
        inputs : sequence of Tensor
            On the CPU, contiguous.
        expected : sequence of Tensor
            Of the shapes and dtypes that must come back: outputs and, with `backward`, gradients in
            inputs and parameters; then buffers. Only shapes and dtypes are used.
        cotangents : sequence of Tensor or None
            One for each output, None for those that have no gradient.
        layout : str, optional
            Of the inputs in the worker's memory.
        backward : bool, optional
            Whether to differentiate.
        state : sequence of str, optional
            Names of the buffers that a call changes.
        """
        self._expected = expected
        reply = self._ask(
            "call",
            **self._regions.put(inputs, cotangents),
            layout=layout,
            gradient=[backward and g for g in self._gradient],
            backward=backward,
            names=self._names,
            outputs=self._regions.clear(self._expected),
            state=list(state),
        )
        tensors = self._regions.taken(self._expected)
        written = digests(tensors)
        previous, self._previous = self._previous, written[: len(written) - len(state)]
        return Outputs(
            tensors,
            _described(reply),
            settled=reply.get("digests") == written,
            untouched=reply.get("inputs") == digests(list(inputs)),
            kept=reply.get("last") == previous,
            threads=_count(reply.get("threads")),
        )

    def prepare(
        self,
        sets: Sequence[Sequence[Tensor]],
        *,
        expected: Sequence[Tensor],
        cotangents: Sequence[Tensor | None],
        shifts: Sequence[int],
        rounds: int = 1,
        backward: bool = False,
    ) -> None:
        """Bring sets of inputs to the device, to be timed.

        Parameters
        ----------
        sets : sequence of sequences of Tensor
            They are sent one at a time: region "in" need hold only one.
        expected, cotangents, backward
            As in :meth:`call`.
        shifts : sequence of int
            By how many entries each input moves on between the rounds over the sets; a multiple of
            64 keeps memory aligned, and of the last axis keeps rows whole.
        rounds : int, optional
            How many rounds see numbers of their own.
        """
        self._expected, self._sets = expected, list(sets)
        self._shifts = list(shifts) if rounds > 1 else [0 for _ in shifts]
        self._rounds = rounds
        for k, inputs in enumerate(sets):
            self._ask(
                "prepare",
                set=k,
                **self._regions.put(inputs, cotangents),
                gradient=[backward and g for g in self._gradient],
                backward=backward,
                names=self._names,
                shifts=self._shifts,
                rounds=rounds,
            )

    def time(self, calls: int) -> float:
        """Return the seconds that `calls` calls over the sets took, by the judge's clock.

        The inputs begin where nobody knew before the clock was started.
        """
        self._calls = calls
        self._starts = [
            self._chance.randrange(turns(x.numel(), s)) for x, s in zip(self._sets[0], self._shifts)
        ]
        started = time.perf_counter()
        reply = self._ask("time", calls=calls, starts=self._starts)
        seconds = time.perf_counter() - started
        seen = reply.get("digests")
        self._seen = seen if isinstance(seen, list) else []
        return seconds

    def deliver(self, index: int) -> tuple[Callable[[], list[Tensor]], Outputs]:
        """Return the last inputs of a set that were timed, and what came out of that call.

        The inputs are made, on the device, when they are asked for. `settled` of the outputs says
        whether they are what was there when the clock stopped.
        """
        last = self._calls - 1 - (self._calls - 1 - index) % len(self._sets)
        turn = last // len(self._sets) % self._rounds
        rows = list(zip(self._sets[index], self._starts, self._shifts))

        def inputs() -> list[Tensor]:
            return [
                rolled(x.to(self.device), place(start + turn, x.numel(), shift))
                for x, start, shift in rows
            ]

        reply = self._ask("deliver", set=index, outputs=self._regions.clear(self._expected))
        tensors = self._regions.taken(self._expected)
        seen = self._seen[index] if index < len(self._seen) else None
        return inputs, Outputs(tensors, _described(reply), settled=seen == digests(tensors))

    def _ask(self, name: str, **arguments: Any) -> dict[str, Any]:
        reply = self.worker.request({"command": name, **arguments}, timeout=self.timeout)
        if reply.get("ok") is not True:
            raise Refused(name, str(reply.get("error"))[:SAID], str(reply.get("trace", ""))[-SAID:])
        return reply


def _count(said: object) -> int:
    """Return what a reply says where it should say a number, as one."""
    return said if isinstance(said, int) else 0


def _described(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a reply says of the outputs, if it has the form of that."""
    said = reply.get("outputs")
    return [d for d in said if isinstance(d, dict)] if isinstance(said, list) else []


def room(*calls: Sequence[Tensor] | Mapping[str, Tensor]) -> int:
    """Return the bytes of a region in which any one of these lists of tensors has room."""
    ends = [arrange(list(c.values()) if isinstance(c, Mapping) else list(c))[1] for c in calls]
    return max([ALIGNMENT, *ends])
