"""A reasoner of known law on real problems, and a student that learns its habits from traces."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from mercer.lab.candidate import Candidate
from mercer.lab.curate import ReasoningTrace
from mercer.lab.models import Completion
from mercer.lab.problem import Problem
from mercer.lab.search import Evaluation

SLIP = 0.1  # probability that a digression leaves an error in the kernel
START, TUNED, PLAIN = 0.7, 1.25, 0.92  # speed-up of a kernel, and its factor by each decision
DECISIONS = (2, 10)  # of the easiest and the hardest problem


def decisions(prompt: str) -> int:
    """Return how many choices a kernel asks for: one for every call that the reference makes."""
    reference = prompt.split("```python\n")[1]
    calls = len(re.findall(r"\w\(", reference.partition("def forward")[2]))
    return int(np.clip(calls, *DECISIONS))


@dataclass(frozen=True)
class Reasoner:
    """Decides step by step, digressing now and then.

    Parameters
    ----------
    digresses : (float, float)
        Beta law, over samples, of the probability that a step is a digression, not a decision.
    tunes : (float, float)
        Beta law of the probability that a decision is a good one.
    name : str
    """

    digresses: tuple[float, float] = (3.0, 4.0)
    tunes: tuple[float, float] = (3.0, 3.0)
    name: str = "teacher"

    def complete(
        self,
        prompt: str,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        maximum_tokens: int = 8192,
    ) -> Completion:
        """Reason about a prompt and write a kernel, whose text holds what it is worth."""
        rng = np.random.default_rng(seed)
        digresses, tunes = rng.beta(*self.digresses), rng.beta(*self.tunes)
        lines: list[str] = []
        choices, slipped = "", False
        while len(choices) < decisions(prompt) and len(lines) < 400:
            if rng.random() < digresses:
                lines.append("Wait, let me think about that once more from the beginning.")
                slipped |= rng.random() < SLIP
            elif rng.random() < tunes:
                choices += "t"
                lines.append("This step holds its rows in registers, so it reads memory once.")
            else:
                choices += "p"
                lines.append("This step is written the plain way, with a loop over its row.")
        worth = f"# choices: {choices}, slipped: {int(slipped)}"
        kernel = f"class ModelNew: ...  {worth}, seed: {seed}"
        return Completion(f"```python\n{kernel}\n```", "\n".join(lines))


def judge(problem: Problem) -> Callable[[Candidate], Evaluation]:
    """Return what reads off a kernel's text whether it is right and how fast it is."""

    def evaluate(candidate: Candidate) -> Evaluation:
        choices, slipped = re.findall(r"choices: (\w*), slipped: (\d)", candidate.source)[0]
        right = slipped == "0"
        verdict = SimpleNamespace(right=right, stage="value", reason="" if right else "wrong")
        speedup = START * TUNED ** choices.count("t") * PLAIN ** choices.count("p")
        return Evaluation(verdict, 1.0 / speedup, 1.0) if right else Evaluation(verdict)

    return evaluate


def learn(traces: Sequence[ReasoningTrace], name: str) -> Reasoner:
    """Fit a student to traces: the shares of digressions and of good decisions, as they stand."""
    text = "\n".join(trace.reasoning for trace in traces)
    wait, tuned, plain = (text.count(mark) for mark in ("Wait", "registers", "plain way"))
    sure = 1e6  # a student has one habit, not a law over habits
    digresses = wait / (wait + tuned + plain)
    tunes = tuned / (tuned + plain)
    return Reasoner(
        (sure * digresses + 1e-6, sure * (1 - digresses)),
        (sure * tunes + 1e-6, sure * (1 - tunes) + 1e-6),
        name,
    )
