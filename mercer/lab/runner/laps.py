"""The calls that are timed: inputs that never repeat, outputs that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mercer.lab.runner.differentiate import forward, gradients, variables


class Laps:
    """Sets of inputs that a module is called on in turn, forward or forward and backward.

    A set's inputs are stored with their own beginning appended, and in its k-th round the module
    sees the numbers from ``k * shift`` on. So every call has inputs of its own, at no cost within
    the time that is measured, and remembering earlier results does not help.

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
        stored = [wrapped(x, shift * rounds) for x, shift in zip(inputs, shifts, strict=True)]
        self._sets.append(
            [
                [
                    flat[k * shift :][: x.numel()]
                    .view(x.shape)
                    .requires_grad_(self.backward and wanted)
                    for flat, x, shift, wanted in zip(stored, inputs, shifts, gradient, strict=True)
                ]
                for k in range(rounds)
            ]
        )
        self._cotangents.append(list(cotangents))

    def run(self, calls: int) -> None:
        """Call the module `calls` times over the sets in turn, keeping each set's last outputs."""
        sets = len(self._sets)
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


def rolled(tensor: Tensor, shift: int) -> Tensor:
    """Return what a module sees of a wrapped tensor from entry `shift` on."""
    return torch.roll(tensor.flatten(), -shift).view(tensor.shape)
