"""The calls that are timed: inputs that never repeat, outputs that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mercer.lab.runner.differentiate import forward, gradients, variables


class Laps:
    """Sets of inputs that a module is called on in turn, forward or forward and backward.

    A set's inputs are stored twice over, one behind the other, and a call sees the numbers from
    some entry on. From which one the judge says only when its clock has started (`aim`), so that
    neither results of earlier calls nor any made beforehand help, at the cost of a view.

    Parameters
    ----------
    model : Module
    names : sequence of str
        Parameters to differentiate in.
    backward : bool
    """

    def __init__(self, model: nn.Module, names: Sequence[str], *, backward: bool) -> None:
        self.model, self.names, self.backward = model, names, backward
        self.kept: list[list[Any]] = []
        self._stored: list[list[Tensor]] = []  # [set][input]
        self._sets: list[list[list[Tensor]]] = []  # [set][round][input]
        self._cotangents: list[list[Tensor | None]] = []

    def add(
        self,
        inputs: Sequence[Tensor],
        cotangents: Sequence[Tensor | None],
        *,
        gradient: Sequence[bool],
        shifts: Sequence[int],
        rounds: int,
    ) -> None:
        """Append a set of inputs, already on the device.

        Parameters
        ----------
        inputs : sequence of Tensor
        cotangents : sequence of Tensor or None
            Of each output.
        gradient : sequence of bool
            Which inputs to differentiate in.
        shifts : sequence of int
            Entries by which each input's numbers move on in a round.
        rounds : int
            How many rounds have numbers of their own.
        """
        self._stored.append(
            [wrapped(x, x.numel() if shift else 0) for x, shift in zip(inputs, shifts, strict=True)]
        )
        self._forms = [torch.empty(x.shape, device="meta") for x in inputs]
        self._gradient = [self.backward and wanted for wanted in gradient]
        self._shifts, self._rounds = shifts, rounds
        self._cotangents.append(list(cotangents))

    def aim(self, starts: Sequence[int], calls: int) -> None:
        """Let each input begin at so many shifts, for so many calls."""
        used = self._stored[:calls]
        rounds = [
            [
                (form.shape, form.stride(), place(start + k, form.numel(), shift))
                for form, start, shift in zip(self._forms, starts, self._shifts, strict=True)
            ]
            for k in range(min(self._rounds, -(-calls // len(self._stored))))
        ]
        self._sets = [
            [[flat.as_strided(*seen) for flat, seen in zip(flats, turn)] for turn in rounds]
            for flats in used
        ]
        for j in [j for j, wanted in enumerate(self._gradient) if wanted]:
            for turn in [turn for views in self._sets for turn in views]:
                turn[j].requires_grad_()

    def run(self, calls: int) -> None:
        """Call the module `calls` times over the sets in turn, keeping each set's last outputs."""
        sets = len(self._stored)
        self.kept = [[] for _ in range(min(calls, sets))]
        for i in range(calls):
            rounds = self._sets[i % sets]
            inputs = rounds[i // sets % len(rounds)]
            found = forward(self.model, inputs, backward=self.backward)
            if self.backward:
                wanted = variables(self.model, inputs, self.names)
                found += gradients(found, self._cotangents[i % sets], wanted)
            self.kept[i % sets] = found


def wrapped(tensor: Tensor, extra: int) -> Tensor:
    """Return the entries in a row, followed by the first `extra` of them (over and over)."""
    flat = tensor.flatten()
    if not flat.numel():
        return flat
    return flat.repeat(1 + -(-extra // flat.numel()))[: flat.numel() + extra]


def turns(count: int, shift: int) -> int:
    """Return from how many entries on a wrapped tensor of `count` entries can be seen."""
    return max(1, count // shift) if shift else 1


def place(turn: int, count: int, shift: int) -> int:
    """Return the entry from which on it is seen in a turn.

    Examples
    --------
    >>> [place(turn, 200, 64) for turn in range(5)]
    [0, 64, 128, 0, 64]
    """
    return turn % turns(count, shift) * shift


def rolled(tensor: Tensor, shift: int) -> Tensor:
    """Return what a module sees of a wrapped tensor from entry `shift` on."""
    return torch.roll(tensor.flatten(), -shift).view(tensor.shape)
