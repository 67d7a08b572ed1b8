"""What must come out of a call, and how far from it a candidate may be."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer.lab.problem import Problem
from mercer.lab.runner.layouts import LAYOUTS
from mercer.lab.runner.state import initial_state
from mercer.lab.verify.case import Case
from mercer.lab.verify.reference import Point, Reference
from mercer.lab.verify.tolerance import allowed_error, perturbed

COTANGENTS = 1 << 31  # between the seeds of inputs and those of cotangents
PERTURBATIONS = 3  # of random signs, beside the one away from zero


@dataclass(frozen=True)
class Expected:
    """One tensor that must come out.

    Parameters
    ----------
    name : str
        "output 0", "gradient of input 1", "gradient of weight", "buffer running_mean".
    exact : Tensor
        float64, or integers.
    working : Tensor
        Of the reference in the working dtype: its shape and dtype are what must come back.
    allowed : Tensor
        Largest error of each entry; of integers, zero.
    variants : list of Tensor
        Of integers: what would do as well.
    """

    name: str
    exact: Tensor
    working: Tensor
    allowed: Tensor
    variants: list[Tensor]


@dataclass(frozen=True)
class Truth:
    """The inputs of one call and everything that must come out of it.

    Parameters
    ----------
    inputs : list of Tensor
        In the working dtype, on the CPU.
    cotangents : list of Tensor or None
        For each output, on the CPU.
    expected : list of Expected
        Outputs, gradients, buffers.
    state : list of str
        Names of those buffers.
    aliases : list of list of int
        For each output, the inputs whose memory the reference itself returns.
    """

    inputs: list[Tensor]
    cotangents: list[Tensor | None]
    expected: list[Expected]
    state: list[str]
    aliases: list[list[int]]

    @property
    def working(self) -> list[Tensor]:
        """What the reference returns in the working dtype."""
        return [e.working for e in self.expected]


@functools.lru_cache(maxsize=512)
def truth_of(problem: Problem, case: Case, device: str = "cpu") -> Truth:
    """Return the truth of a case; it is computed once and kept.

    Parameters
    ----------
    problem : Problem
    case : Case
    device : str, optional
        Where the reference runs.
    """
    return truth_for(problem, case, case.draw(problem), device=device, layouts=LAYOUTS[1:])


def truth_for(
    problem: Problem,
    case: Case,
    inputs: Sequence[Tensor],
    *,
    device: str = "cpu",
    perturbations: int = PERTURBATIONS,
    layouts: Sequence[str] = (),
) -> Truth:
    """Return the truth of given inputs, such as those of a call that was timed.

    Parameters
    ----------
    problem : Problem
    case : Case
        Says size, dtype, parameters and whether gradients are asked for.
    inputs : sequence of Tensor
        On the CPU, in the working dtype.
    device : str, optional
    perturbations : int, optional
        How often the inputs are perturbed with random signs.
    layouts : sequence of str, optional
        In which the inputs will come beside contiguous ones: whether the reference returns a view
        may depend on it.

    Raises
    ------
    Unusable
        If `forward` of the reference raises, or what it returns cannot be compared.
    """
    state = initial_state(problem, case.size, dtype=case.dtype, seed=case.state_seed)
    reference = Reference(problem, case, state.names if case.backward else (), device)
    point = Point(list(inputs), state.tensors, [])
    outputs, aliases = reference.outputs(point, case.dtype)
    for layout in layouts:
        _, shared = reference.outputs(point, case.dtype, layout)
        aliases = [[*a, *b] for a, b in zip(aliases, shared)]
    # Not the inputs' own seed: a cotangent that equals the input is in the kernel of gradients.
    generator = torch.Generator().manual_seed(case.seed + COTANGENTS)
    cotangents = [
        torch.randn(y.shape, generator=generator).to(y.dtype) if y.requires_grad else None
        for y in outputs
    ]
    point = Point(point.inputs, point.state, cotangents)
    working, changed = reference(point, case.dtype)
    exact_point = point.to(torch.float64)
    exact, exact_changed = reference(exact_point, torch.float64)
    signs = [generator] * perturbations + [None]
    moved = []
    for g in signs:
        other = exact_point.replaced(perturbed(exact_point.tensors(), case.dtype, g))
        found, buffers = reference(other, torch.float64)
        moved.append([*found, *(buffers.get(k, exact_changed[k]) for k in exact_changed)])
    names = _names(len(outputs), reference, list(exact_changed))
    rows = zip(
        names,
        [*exact, *exact_changed.values()],
        [*working, *(changed.get(k, state.tensors[k]) for k in exact_changed)],
        zip(*moved, strict=True),
        strict=True,
    )
    return Truth(
        list(inputs),
        cotangents,
        [_expected(*row) for row in rows],
        list(exact_changed),
        aliases,
    )


def _expected(name: str, exact: Tensor, working: Tensor, moved: Sequence[Tensor]) -> Expected:
    exact, working, moved = exact.cpu(), working.cpu(), [m.cpu() for m in moved]
    if not working.is_floating_point():
        return Expected(name, exact, working, torch.zeros(exact.shape), [exact, working, *moved])
    exact = exact.double()
    gradient = name.startswith("gradient")
    allowed = allowed_error(exact, working, moved, working.dtype, gradient=gradient)
    return Expected(name, exact, working, allowed, [])


def _names(outputs: int, reference: Reference, state: Sequence[str]) -> list[str]:
    names = [f"output {k}" for k in range(outputs)]
    if reference.backward:
        names += [f"gradient of input {k}" for k, w in enumerate(reference.wanted) if w]
        names += [f"gradient of {name}" for name in reference.names]
    return names + [f"buffer {name}" for name in state]
