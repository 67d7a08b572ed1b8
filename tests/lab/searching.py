"""A small world to search in: a problem, a proposer of numbers, an evaluation by formula."""

import json
from dataclasses import dataclass

from torch import nn

from mercer.lab import normal, problem
from mercer.lab.models import Completion
from mercer.lab.search import Evaluation


@problem(1, {"odd": (7, 33), "small": (8, 16), "desk": (64, 64), "race": (128, 128)})
class Doubled(nn.Module):
    """Twice the input."""

    @staticmethod
    def arguments(rows, columns):
        return [normal(rows, columns)]

    def forward(self, x):
        return 2 * x


@dataclass
class Verdict:
    right: bool
    stage: str = "right"
    reason: str = ""


class Walker:
    """Answers with a number near the parent's, drawn from the seed."""

    name = "walker"

    def complete(self, prompt, *, seed=0, temperature=0.7, maximum_tokens=8192):
        state = json.loads(prompt.rsplit("```json\n", 1)[1].split("```")[0])
        start = [int(p["schedule"]) for p in state["parents"] if p["schedule"]]
        value = (start[0] if start else 0) + seed % 11 - 3
        text = f"```python\nclass ModelNew: number = {value}  # {seed}\n```\n"
        return Completion(text + f'```json\n{{"schedule": "{value}"}}\n```\n', "thought", 7)


def number(source):
    return int(source.split("=")[1].split("#")[0])


def evaluate(candidate):
    """Faster the nearer to 20; odd multiples of five are wrong, 13 cannot be timed."""
    value = number(candidate.source)
    if value % 10 == 5:
        return Evaluation(Verdict(False, "value", f"{value} is wrong"))
    if value == 13:
        return Evaluation(Verdict(True), error="the race broke off")
    return Evaluation(Verdict(True), 1.0 + 0.1 * abs(value - 20), 2.0)
