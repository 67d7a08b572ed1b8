"""What all contenders of a race run over: one problem at one size, several sets of inputs."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from mercer.lab.problem import Problem
from mercer.lab.problems import FileProblem
from mercer.lab.runner.outputs import Outputs
from mercer.lab.runner.state import STATE_SEED, initial_state
from mercer.lab.timing.plan import sets_needed, shift_of
from mercer.lab.verify.case import Case
from mercer.lab.verify.reference import Point, Reference
from mercer.lab.verify.tolerance import allowed_error, perturbed
from mercer.lab.verify.truth import COTANGENTS

SAMPLE = 1 << 16  # entries of each output that are compared after the clock has stopped
ROUNDS = 8  # how often a set is seen with numbers of its own


class Course:
    """Inputs, cotangents and the comparison after the clock.

    Parameters
    ----------
    problem : Problem
    size : str
    device : str
    dtype : torch.dtype
    seed : int
        Of inputs and cotangents.
    backward : bool, optional
        Whether a call is forward and backward.
    """

    def __init__(
        self,
        problem: Problem,
        size: str,
        *,
        device: str,
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
        backward: bool = False,
    ) -> None:
        self.problem, self.size, self.device = problem, size, device
        self.dtype, self.seed, self.backward = dtype, seed, backward
        initial = initial_state(problem, size, dtype=dtype, seed=STATE_SEED)
        self.state = initial.tensors
        case = Case(size, dtype, seed, backward=backward)
        self._reference = Reference(problem, case, initial.names if backward else (), device)
        first = problem.draw(size, seed=seed, dtype=dtype)
        outputs, _ = self._reference.outputs(Point(first, self.state, []), dtype)
        generator = torch.Generator().manual_seed(seed + COTANGENTS)
        self.cotangents: list[Tensor | None] = [
            torch.randn(y.shape, generator=generator).to(dtype) if y.requires_grad else None
            for y in outputs
        ]
        found, _ = self._reference(self._point(first), dtype)
        self.expected = [torch.empty(y.shape, dtype=y.dtype) for y in found]
        count = sets_needed(first, self.expected, device)
        self.sets = [first] + [
            problem.draw(size, seed=seed + 1000 + k, dtype=dtype) for k in range(1, count)
        ]
        # Rows may be cut anew where any numbers do; of a file's inputs nobody says so.
        whole = isinstance(problem, FileProblem)
        laws = [a.law for a in problem.arguments(*problem.size(size))]
        self.shifts = [
            shift_of(x, rows=whole or law == "probability") for x, law in zip(first, laws)
        ]
        self.rounds = ROUNDS if any(self.shifts) else 1
        self._chance = random.SystemRandom()  # which entries are compared nobody knows before

    def _point(self, inputs: list[Tensor]) -> Point:
        return Point(inputs, self.state, self.cotangents)

    @property
    def cotangents_given(self) -> list[Tensor]:
        """Those cotangents that there are."""
        return [c for c in self.cotangents if c is not None]

    @property
    def bytes(self) -> int:
        """Compulsory traffic of a forward call: inputs, parameters and outputs, each once."""
        tensors = [*self.sets[0], *self.state.values(), *self.expected]
        return sum(t.numel() * t.element_size() for t in tensors)

    def compare(self, inputs: list[Tensor], outputs: Outputs) -> str:
        """Return how what a timed call returned is wrong, or "".

        A random sample of entries of each output is held against the reference in float64, with
        the tolerance of `mercer.lab.verify`. All of it is computed where the reference runs: inputs
        of a race are large.
        """
        if [d.get("type") for d in outputs.described].count("Tensor") != len(outputs.described):
            return "forward must return plain tensors"
        point = self._point(inputs).on(self.device)
        exact_point = point.to(torch.float64)
        chance, signs = self._generator("cpu"), self._generator(self.device)
        picks = [
            torch.randint(max(y.numel(), 1), (min(SAMPLE, y.numel()),), generator=chance)
            for y in self.expected
        ]
        working = self._sampled(point, self.dtype, picks)
        exact = self._sampled(exact_point, torch.float64, picks)
        other = exact_point.replaced(perturbed(exact_point.tensors(), self.dtype, signs))
        moved = self._sampled(other, torch.float64, picks)
        for k, (y, pick) in enumerate(zip(outputs.tensors, picks)):
            found = y.flatten()[pick]
            if not found.is_floating_point():
                right = (found == exact[k]) | (found == working[k]) | (found == moved[k])
                wrong = ~right
            else:
                allowed = allowed_error(
                    exact[k].double(),
                    working[k],
                    [moved[k]],
                    working[k].dtype,
                    gradient=k >= len(self.cotangents),
                )
                same = (found == working[k]) | (found.isnan() & working[k].isnan())
                same |= ~exact[k].isfinite() & working[k].isfinite()  # no truth: nothing is asked
                wrong = ~(((found.double() - exact[k]).abs() <= allowed) | same)
            if wrong.any():
                share = 100 * float(wrong.double().mean())
                return f"output {k} of a timed call is wrong in {share:.3g} % of its entries"
        return ""

    def _generator(self, device: str) -> torch.Generator:
        return torch.Generator(device).manual_seed(self._chance.getrandbits(32))

    def _sampled(self, point: Point, dtype: torch.dtype, picks: list[Tensor]) -> list[Tensor]:
        found, _ = self._reference(point, dtype)
        return [y.flatten()[p.to(y.device)].cpu() for y, p in zip(found, picks)]
