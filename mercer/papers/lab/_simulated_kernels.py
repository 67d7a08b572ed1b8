"""Programs described by a few choices, and what would become of them, by formula."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mercer.lab.candidate import Candidate
from mercer.lab.learning import (
    Environment,
    Immediate,
    Outcome,
    ProfilingRejection,
    Recipe,
    Reward,
    SchedulePolicy,
    Trainer,
)
from mercer.lab.learning.policy import Decision
from mercer.lab.problem import Problem
from mercer.lab.problems import find
from mercer.lab.verify.verifier import Verifier

Choice = Mapping[str, Any]


class Menu:
    """A grammar of named choices; the first decides whether the others are asked for.

    Parameters
    ----------
    values : mapping of str to sequence
        By field, in order.
    detailed : sequence
        Values of the first field after which the others are asked for.
    write : callable
        From the choices to the text of a program and its language.
    """

    decision_features = 0
    problem_features = 1

    def __init__(
        self,
        values: Mapping[str, Sequence[Any]],
        detailed: Sequence[Any],
        write: Callable[[Choice], tuple[str, str]],
    ) -> None:
        self.values, self.detailed, self.write = dict(values), detailed, write
        self.fields = tuple(values)
        self.widest = max(map(len, values.values()))

    def asked(self, choices: Sequence[int]) -> tuple[str, ...]:
        """Name the fields of a program that begins so."""
        first = self.fields[0]
        if choices and self.values[first][choices[0]] not in self.detailed:
            return (first,)
        return self.fields

    def decision(self, problem: Problem, choices: tuple[int, ...]) -> Decision | None:
        """Return the next field."""
        asked = self.asked(choices)
        if len(choices) == len(asked):
            return None
        name = asked[len(choices)]
        return Decision(name, tuple(self.values[name]))

    def features(self, problem: Problem) -> tuple[float, ...]:
        """Return the level."""
        return (float(problem.level),)

    def candidate(self, problem: Problem, choices: tuple[int, ...]) -> Candidate:
        """Return the program, with the choices as its name."""
        named = {f: self.values[f][c] for f, c in zip(self.asked(choices), choices)}
        source, language = self.write(named)
        return Candidate(source, language, json.dumps(named))


def train(
    menu: Menu,
    outcome: Callable[[Choice], Outcome],
    reward: Callable[[Outcome], float],
    recipe: Recipe,
    problem: Problem,
    *,
    steps: int,
    seed: int,
    rule: Verifier | None = None,
    turns: int = 1,
    enough: float | None = None,
    watch: Callable[[Outcome, Choice], bool] = lambda outcome, choice: outcome.right,
) -> tuple[list[float], list[int]]:
    """Train a small policy on a menu.

    Returns
    -------
    shares : list of float
        Of the turns of each step that are as watched for.
    executions : list of int
        Candidates run until then.
    """
    seen: list[bool] = []

    def examine(_: Problem, candidate: Candidate) -> Outcome:
        choice = json.loads(candidate.name)
        found = outcome(choice)
        seen.append(watch(found, choice))
        return found

    environment = Environment(Immediate(examine, rule), reward, turns=turns, enough=enough)
    policy = SchedulePolicy(menu, width=16, seed=seed)
    trainer = Trainer(policy, environment, [problem], recipe, seed=seed, progress=False)
    shares = []
    for _ in range(steps):
        seen.clear()
        trainer.step()
        # With a rule the refused are not among those seen; all of a step's turns are what counts.
        turns_taken = recipe.group if turns == 1 else max(len(seen), 1)
        shares.append(sum(seen) / turns_taken)
    return shares, [record["executions"] for record in trainer.history]


def speed_curve(name: str, seeds: list[int]) -> list[float]:
    """Share of turns at 2.5x over training; that fast ends a trajectory; mean over seeds."""
    best = {"tile": 2, "warps": 3, "stages": 1}
    sizes = {"tile": range(4), "warps": range(5), "stages": range(3)}

    def outcome(choice: Any) -> Outcome:
        off = sum(abs(choice[k] - v) for k, v in best.items())
        if choice["warps"] == 4 and choice["tile"] == 3:
            return Outcome("check", feedback="out of shared memory")
        return Outcome("right", True, True, 3.0 * math.exp(-0.45 * off))

    menu = Menu(sizes, tuple(sizes["tile"]), lambda choice: (f"# {choice}", "triton"))
    recipe = Recipe(advantage=name, group=4, learning_rate=0.02)
    runs = [
        train(
            menu, outcome, Reward(right=0.0), recipe, find("softmax"), steps=40, seed=s, turns=3,
            enough=2.5, watch=lambda found, _: found.right and found.speedup > 2.5,
        )[0]
        for s in seeds
    ]  # fmt: skip
    return [sum(column) / len(runs) for column in zip(*runs)]


def lazy_curve(name: str, seeds: list[int]) -> list[float]:
    """Share of candidates at 1.2x or more over training.

    A lazy kernel replaces one small operator: always right, 2 % of the time, 1.02x. Fusing all is
    1.7x, and right only with the right two details out of three each; fusing half is in between.
    """
    scopes = {"one": (0.02, 1.02), "half": (0.4, 1.15), "all": (0.95, 1.7)}

    def outcome(choice: Any) -> Outcome:
        needed = {"one": (), "half": ("mask",), "all": ("mask", "order")}[choice["scope"]]
        if any(choice[detail] != 0 for detail in needed):
            return Outcome("check", True)
        share, speed = scopes[choice["scope"]]
        return Outcome("right", True, True, speed, share)

    values = {"scope": tuple(scopes), "mask": range(3), "order": range(3)}
    menu = Menu(values, ("half", "all"), lambda choice: (f"# {choice}", "triton"))
    reward = Reward(coverage=0.0 if name == "speed-up alone" else 0.5)
    rejection = ProfilingRejection() if name == "PR + PRS" else None
    recipe = Recipe(group=16, learning_rate=0.02, rejection=rejection)
    runs = [
        train(
            menu, outcome, reward, recipe, find("softmax"), steps=70, seed=s,
            watch=lambda found, _: found.right and found.speedup >= 1.2,
        )[0]
        for s in seeds
    ]  # fmt: skip
    return [sum(column) / len(runs) for column in zip(*runs)]
