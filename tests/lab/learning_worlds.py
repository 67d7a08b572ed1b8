"""A grammar of a few free choices, whose best program is known."""

from __future__ import annotations

import math

from mercer.lab import Candidate
from mercer.lab.learning import Immediate, Outcome
from mercer.lab.learning.policy import Decision
from mercer.lab.templates import Schedule, Tiling

VALUES = {
    "form": ("whole", "loop", "split"),
    "entries": (256, 512, 1024, 2048),
    "rows": (1, 2, 4, 8),
    "warps": (1, 2, 4, 8, 16),
}
BEST = {"form": "whole", "entries": 1024, "rows": 2, "warps": 8}


class FourFields:
    """Four fields; rows are asked for only where they are not whole."""

    fields = tuple(VALUES)
    widest = 5
    decision_features = 1
    problem_features = 1

    def decision(self, problem, choices):
        """Return the next field."""
        asked = self.asked(choices)
        if len(choices) == len(asked):
            return None
        name = asked[len(choices)]
        return Decision(name, VALUES[name], (float(len(choices)),))

    def asked(self, choices):
        """Return the fields that there are after these choices."""
        whole = bool(choices) and VALUES["form"][choices[0]] == "whole"
        return [f for f in VALUES if f != "rows" or not whole]

    def features(self, problem):
        """Return the level."""
        return (float(problem.level),)

    def candidate(self, problem, choices):
        """Return the schedule as a text; there is none for a split of single rows."""
        named = {f: VALUES[f][c] for f, c in zip(self.asked(choices), choices)}
        if named["form"] == "split" and named["rows"] == 1:
            raise ValueError("single rows cannot be split")
        return Candidate(Schedule(default=Tiling(**named)).json(), "triton")


def speedup(tiling):
    """Twice as fast for each field that is right."""
    return math.prod(
        2.0 if getattr(tiling, k) == v else 1.0 for k, v in BEST.items() if k != "rows"
    )


def examine(problem, candidate):
    """Return the outcome by the formula; 16 warps do not compile."""
    tiling = Schedule.read(candidate.source).default
    if tiling.warps == 16:
        return Outcome("check", feedback="too many warps")
    speed = speedup(tiling)
    return Outcome("right", True, True, speed, 0.5, f"right: {speed}")


def world():
    """Return workers that answer by the formula."""
    return Immediate(examine)


def chosen(action):
    """Return what an action stands for."""
    grammar = FourFields()
    return {f: VALUES[f][c] for f, c in zip(grammar.asked(action.tokens), action.tokens)}


__all__ = ["BEST", "FourFields", "chosen", "examine", "world"]
