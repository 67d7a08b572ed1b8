"""One setting that a candidate is tried in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mercer.lab.problem import Problem
from mercer.lab.runner.state import STATE_SEED


@dataclass(frozen=True)
class Case:
    """A size, a dtype and what random numbers are drawn from.

    Parameters
    ----------
    size : str
    dtype : torch.dtype
    seed : int
        Of the inputs and the cotangents.
    scale : float, optional
        Factor of the inputs whose law is normal.
    backward : bool, optional
        Whether gradients must come out too.
    state_seed : int, optional
        Of the parameters, which are no secret.
    twin_of : int, optional
        Another seed: the first and the last slice of each input are those of that seed. Who knows
        an input again by a part of it takes the one for the other.
    """

    size: str
    dtype: torch.dtype = torch.float32
    seed: int = 0
    scale: float = 1.0
    backward: bool = False
    state_seed: int = STATE_SEED
    twin_of: int | None = None

    def draw(self, problem: Problem) -> list[Tensor]:
        """Draw the inputs."""
        inputs = problem.draw(self.size, seed=self.seed, dtype=self.dtype, scale=self.scale)
        if self.twin_of is None:
            return inputs
        other = problem.draw(self.size, seed=self.twin_of, dtype=self.dtype, scale=self.scale)
        for x, y in zip(inputs, other):
            if x.ndim and x.shape[0]:
                x[0], x[-1] = y[0], y[-1]
        return inputs

    def __str__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        text = f"size {self.size}, {dtype}, seed {self.seed}"
        text += f", scale {self.scale:g}" if self.scale != 1 else ""
        return text + (f", ends as of seed {self.twin_of}" if self.twin_of is not None else "")


def cases(
    problem: Problem,
    *,
    sizes: Sequence[str],
    dtypes: Sequence[torch.dtype],
    seeds: int,
    scales: Sequence[float],
    layouts: Sequence[str],
    backward: bool,
    seed: int,
) -> list[tuple[Case, str]]:
    """List what a candidate is tried in: each case with the layout of its inputs.

    Per size and dtype: every seed at the first scale; right after the first one its twin and the
    first again, both without gradients; then the further scales, and the further layouts of the
    first inputs. Scales above the first are tried forward only: where functions saturate, a
    gradient is a difference of equal numbers, and right ways of computing it share no digits.
    """
    chosen: list[tuple[Case, str]] = []
    first, *further = layouts
    for dtype in dtypes:
        for size in sizes:
            arguments = problem.arguments(*problem.size(size))
            scaled = scales if any(a.law == "normal" for a in arguments) else scales[:1]
            start = Case(size, dtype, seed, scaled[0], backward)
            twin = Case(size, dtype, seed + seeds, scaled[0], twin_of=seed)
            again = replace(start, backward=False)
            later = [Case(size, dtype, seed + k, scaled[0], backward) for k in range(1, seeds)]
            other = [
                Case(size, dtype, seed, scale, backward and scale <= scaled[0])
                for scale in scaled[1:]
            ]
            chosen += [(case, first) for case in (start, twin, again, *later, *other)]
            chosen += [(start, layout) for layout in further]
    return chosen
