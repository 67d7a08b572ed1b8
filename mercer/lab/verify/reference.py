"""The reference, evaluated in any precision at any point."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mercer.lab.in_brief import in_brief
from mercer.lab.problem import Problem
from mercer.lab.runner.differentiate import forward, gradients, variables
from mercer.lab.runner.layouts import empty
from mercer.lab.verify.case import Case


@dataclass(frozen=True)
class Point:
    """All the numbers that a call depends on.

    Parameters
    ----------
    inputs : list of Tensor
    state : dict of str to Tensor
        Parameters and buffers.
    cotangents : list of Tensor or None
        One for each output.
    """

    inputs: list[Tensor]
    state: dict[str, Tensor]
    cotangents: list[Tensor | None]

    def tensors(self) -> list[Tensor]:
        """Return all of it in a row."""
        return [*self.inputs, *self.state.values(), *(c for c in self.cotangents if c is not None)]

    def replaced(self, tensors: Sequence[Tensor]) -> Point:
        """Return the point that a row like that of `tensors` stands for."""
        rest = iter(tensors)
        return Point(
            [next(rest) for _ in self.inputs],
            {name: next(rest) for name in self.state},
            [None if c is None else next(rest) for c in self.cotangents],
        )

    def to(self, dtype: torch.dtype) -> Point:
        """Return it with every floating tensor in `dtype`."""
        return self.replaced([x.to(dtype) if x.is_floating_point() else x for x in self.tensors()])

    def on(self, device: str) -> Point:
        """Return it with every tensor on a device."""
        return self.replaced([x.to(device) for x in self.tensors()])


class Unusable(TypeError, ValueError):
    """A reference that cannot be called, or that returns what nothing can be compared with.

    Parameters
    ----------
    problem : str
        Its name.
    reason : str
    """

    def __init__(self, problem: str, reason: str) -> None:
        super().__init__(f"{problem} cannot be checked: {reason}")


class Reference:
    """A problem's module, called and differentiated as a candidate is.

    Parameters
    ----------
    problem : Problem
    case : Case
    names : sequence of str
        Parameters to differentiate in.
    device : str

    Raises
    ------
    Unusable
        On a call, if `forward` raises or returns something other than real tensors that are not all
        empty.
    """

    def __init__(self, problem: Problem, case: Case, names: Sequence[str], device: str) -> None:
        self.problem = problem.name
        self.module = problem.reference(case.size, seed=case.state_seed)
        wanted = problem.gradients(case.size)
        self.wanted = [case.backward and w for w in wanted]
        self.backward, self.names, self.device = case.backward, names, device

    def outputs(
        self, point: Point, dtype: torch.dtype, layout: str = "contiguous"
    ) -> tuple[list[Tensor], list[list[int]]]:
        """Return the outputs alone, and for each the inputs whose memory it shares."""
        module, inputs = self._at(point, dtype)
        inputs = [
            empty(tuple(x.shape), x.dtype, self.device, layout)
            .copy_(x.detach())
            .requires_grad_(x.requires_grad)
            for x in inputs
        ]
        found = self._forward(module, inputs)
        memory = [x.untyped_storage().data_ptr() for x in inputs]
        shared = [
            [k for k, m in enumerate(memory) if m == y.untyped_storage().data_ptr()] for y in found
        ]
        return found, shared

    def __call__(
        self, point: Point, dtype: torch.dtype
    ) -> tuple[list[Tensor], Mapping[str, Tensor]]:
        """Return outputs and gradients, and the floating buffers that the call changed."""
        module, inputs = self._at(point, dtype)
        found = self._forward(module, inputs)
        if self.backward:
            wanted = variables(module, inputs, self.names)
            cotangents = point.to(dtype).cotangents
            cotangents = [None if c is None else c.to(self.device) for c in cotangents]
            found += gradients(found, cotangents, wanted)
        before = point.to(dtype).state
        changed = {
            name: b.detach()
            for name, b in module.named_buffers()
            if name in before
            and b.is_floating_point()
            and not torch.equal(b, before[name].to(self.device))
        }
        return [y.detach() for y in found], changed

    def _forward(self, module: torch.nn.Module, inputs: list[Tensor]) -> list[Tensor]:
        try:
            found: list[Any] = forward(module, inputs, backward=self.backward)
        except (Exception, SystemExit) as error:
            said = f"forward of the reference raised {in_brief(error)}"
            raise Unusable(self.problem, said) from error
        for k, value in enumerate(found):
            if not isinstance(value, Tensor):
                kind = type(value).__name__
                raise Unusable(self.problem, f"forward must return tensors, got {kind}")
            if value.is_complex():
                wanted = "return torch.view_as_real of it"
                raise Unusable(self.problem, f"output {k} is complex; {wanted}")
        if not any(value.numel() for value in found):
            raise Unusable(self.problem, "all that forward returns is empty")
        return found

    def _at(self, point: Point, dtype: torch.dtype) -> tuple[torch.nn.Module, list[Tensor]]:
        module = copy.deepcopy(self.module).to(self.device, dtype)
        point = point.to(dtype)
        module.load_state_dict(point.state)
        inputs = [
            x.to(self.device, copy=True).requires_grad_(w)
            for x, w in zip(point.inputs, self.wanted, strict=True)
        ]
        return module, inputs
