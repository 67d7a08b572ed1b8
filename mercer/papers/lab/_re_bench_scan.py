"""Prefix sums of rows in C++, in 48 schedules that are timed, and the agents that choose them."""

from __future__ import annotations

import ctypes
import functools
import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mercer.lab.budget import AgentRun, Attempt, run_agent
from mercer.lab.candidate import Candidate
from mercer.lab.native.build import build

# Which loop is outside; rows summed side by side; entries at a time; whether these by a tree.
KNOBS = {"rows_outside": (0, 1), "lanes": (1, 2, 4, 8), "entries": (1, 4, 16), "tree": (0, 1)}
SCHEDULES = tuple(itertools.product(*KNOBS.values()))
START = (0, 1, 1, 0)  # down the columns, one entry at a time
# Rows, columns: the stages of the program.
SHAPES = ((2048, 16), (1024, 64), (512, 128), (256, 256), (64, 1024), (16, 4096))

KERNEL = """
template <int L, int E, int TREE>
static void block(const float* x, float* y, long m, float* s) {
  for (int l = 0; l < L; ++l) {
    float v[E];
    for (int e = 0; e < E; ++e) v[e] = x[l * m + e];
    if (TREE) {
      for (int d = 1; d < E; d *= 2) {
        float w[E];
        for (int e = 0; e < E; ++e) w[e] = e < d ? v[e] : v[e] + v[e - d];
        for (int e = 0; e < E; ++e) v[e] = w[e];
      }
      for (int e = 0; e < E; ++e) y[l * m + e] = v[e] + s[l];
      s[l] += v[E - 1];
    } else {
      for (int e = 0; e < E; ++e) y[l * m + e] = s[l] += v[e];
    }
  }
}

template <int ROWS, int L, int E, int TREE>
static void scan(const float* x, float* y, long n, long m, float* s) {
  for (long i = 0; i < n; ++i) s[i] = 0;
  if (ROWS)
    for (long i = 0; i < n; i += L)
      for (long j = 0; j < m; j += E) block<L, E, TREE>(x + i * m + j, y + i * m + j, m, s + i);
  else
    for (long j = 0; j < m; j += E)
      for (long i = 0; i < n; i += L) block<L, E, TREE>(x + i * m + j, y + i * m + j, m, s + i);
}
"""


@dataclass(frozen=True)
class Landscape:
    """Seconds of every schedule on every stage, and of PyTorch's own prefix sum.

    Parameters
    ----------
    shapes : tuple of (int, int)
        Rows and columns of each stage.
    seconds : ndarray, (stages, schedules)
    reference : float
        Of all stages together.
    error : float
        Largest difference of any schedule to PyTorch's sums, over the largest sum.
    """

    shapes: tuple[tuple[int, int], ...]
    seconds: np.ndarray
    reference: float
    error: float

    def total(self, choice: Sequence[int]) -> float:
        """Return the seconds of a program that runs stage k by schedule choice[k]."""
        return float(sum(self.seconds[k, c] for k, c in enumerate(choice)))

    @property
    def start(self) -> float:
        """Seconds of the program that the agents are given."""
        return self.total([SCHEDULES.index(START)] * len(SHAPES))

    @property
    def best(self) -> float:
        """Seconds of the fastest of all programs."""
        return float(self.seconds.min(axis=1).sum())


def measure(*, repeats: int, seed: int) -> Landscape:
    """Build and time all schedules; the least of `repeats`, taken in turn."""
    names = ["scan" + "_".join(map(str, s)) for s in SCHEDULES]
    entries = "".join(
        f'extern "C" void {name}(const float* x, float* y, long n, long m, float* s) '
        f"{{ scan<{', '.join(map(str, s))}>(x, y, n, m, s); }}\n"
        for name, s in zip(names, SCHEDULES)
    )
    library = build(KERNEL + entries)
    generator = torch.Generator().manual_seed(seed)
    seconds = np.full((len(SHAPES), len(SCHEDULES)), np.inf)
    reference, error = 0.0, 0.0
    for k, (n, m) in enumerate(SHAPES):
        x = torch.randn(n, m, generator=generator)
        y, sums = torch.empty_like(x), torch.empty(n)
        pointers = [ctypes.c_void_p(t.data_ptr()) for t in (x, y, sums)]
        arguments = (*pointers[:2], ctypes.c_long(n), ctypes.c_long(m), pointers[2])
        expected = x.cumsum(-1)
        for _ in range(repeats):
            for c, name in enumerate(names):
                took = _seconds(getattr(library, name), *arguments)
                seconds[k, c] = min(seconds[k, c], took)
        for name in names:
            y.fill_(torch.nan)
            getattr(library, name)(*arguments)
            off = float((y - expected).abs().max() / expected.abs().max())
            error = max(error, off if off == off else np.inf)
        whole = functools.partial(torch.cumsum, x, -1, out=y)
        reference += min(_seconds(whole) for _ in range(repeats))
    return Landscape(SHAPES, seconds, reference, error)


def _seconds(call: Callable[..., object], *arguments: object) -> float:
    begin = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - begin


class Clock:
    """Seconds that pass when they are said to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Outcome:
    """What the evaluation of a program says."""

    seconds: float
    right: bool = True
    reason: str = ""


def play(
    landscape: Landscape, agent: str, *, budget: float, seed: int, evaluating: float = 2.0
) -> AgentRun:
    """Run one agent by a clock of its own on the measured seconds.

    "quick" draws every program anew and thinks for 1 s; "steady" first reads for 60 s, then thinks
    for 4 s and changes one choice of the best program so far. An evaluation takes 2 s.
    """
    clock, rng = Clock(), np.random.default_rng(seed)
    held = [SCHEDULES.index(START)] * len(SHAPES)

    def quick(attempts: Sequence[Attempt], left: float) -> Candidate:
        clock.now += 1.0
        return _written([int(c) for c in rng.integers(len(SCHEDULES), size=len(SHAPES))])

    def steady(attempts: Sequence[Attempt], left: float) -> Candidate:
        clock.now += 4.0 if attempts else 60.0
        if attempts and attempts[-1].seconds < landscape.total(held):
            held[:] = _read(attempts[-1].candidate)
        changed = held.copy()
        stage, knob = int(rng.integers(len(SHAPES))), int(rng.integers(len(KNOBS)))
        schedule = list(SCHEDULES[held[stage]])
        others = [v for v in list(KNOBS.values())[knob] if v != schedule[knob]]
        schedule[knob] = others[int(rng.integers(len(others)))]
        changed[stage] = SCHEDULES.index(tuple(schedule))
        return _written(changed)

    def evaluate(candidate: Candidate) -> Outcome:
        clock.now += evaluating
        return Outcome(landscape.total(_read(candidate)))

    return run_agent(
        {"quick": quick, "steady": steady}[agent],
        evaluate,
        budget=budget,
        start=landscape.start,
        reference=landscape.reference,
        clock=clock,
    )


def _written(choice: Sequence[int]) -> Candidate:
    return Candidate(json.dumps(list(choice)), "cpp")


def _read(candidate: Candidate) -> list[int]:
    choice: list[int] = json.loads(candidate.source)
    return choice
