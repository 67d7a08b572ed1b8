"""Searches from the naive program: by measured seconds, by a roofline, and one that is killed."""

from __future__ import annotations

import copy
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from mercer.lab.candidate import Candidate
from mercer.lab.models import Completion, Proposer
from mercer.lab.models.proposer import state_of
from mercer.lab.problem import Problem
from mercer.lab.search import (
    Budget,
    Database,
    Entry,
    Evaluation,
    Policy,
    Result,
    Selection,
    dialogue,
    evolve,
)
from mercer.lab.search.propose import code
from mercer.lab.templates import Schedule, naive
from mercer.lab.templates.plan import plan

SIZE = "desk"
FLIGHT = 0.02  # seconds that an evaluation takes at least in a search that is killed


@dataclass(frozen=True)
class Seen:
    """Whether a program came close to the reference."""

    right: bool
    stage: str = "right"
    reason: str = ""


@dataclass(frozen=True)
class Blind:
    """Any right candidate, drawn without a look at its speed: the control of all policies."""

    def select(self, graph: Sequence[Entry], generator: random.Random) -> Selection:
        """Return one of the right candidates at random."""
        right = [entry for entry in graph if entry.fitness is not None]
        return Selection((generator.choice(right),) if right else ())


class FromNaive(Proposer):
    """The built-in proposer without its likeliest schedules: all but the first are variations."""

    @cached_property
    def openings(self) -> Sequence[Schedule]:  # type: ignore[override]
        """The naive schedule alone."""
        return [naive(self.graph, self.language)]


class Roofline:
    """Seconds of programs in Triton by a formula, and searches by it.

    A kernel takes a launch of 4 us and its arrays' bytes over 4.8 TB/s, slowed down if the loads of
    the programs on a multiprocessor keep less than 40 KB under way, or if a thread holds more than
    64 entries, and by a second reading if rows are walked along twice.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.proposer = FromNaive(problem)
        self.start = self.seconds(self.proposer.openings[0])

    def seconds(self, schedule: Schedule) -> float:
        """Return what the formula gives for a schedule."""
        arranged = plan(self.proposer.graph, schedule, size="race")
        total = 0.0
        for step in arranged.kernels:
            layout, tiling = step.layout, schedule.tiling(step.name)
            assert layout is not None
            rows = not layout.passes or tiling.form == "whole"
            entries = tiling.entries if rows else tiling.rows * tiling.block
            under_way = min(4 * entries * (64 // tiling.warps), 40_000)
            held = max(entries / (32 * tiling.warps), 64) / 64
            readings = 1 if rows or tiling.online else 2
            bytes = 4 * sum(layout.fast.values())
            total += 4e-6 + readings * held * bytes / 4.8e12 * 40_000 / under_way
        return total

    def search(self, policy: Policy, *, candidates: int, seed: int) -> Result:
        """Search by the formula; speed-ups are over the naive program."""
        written: dict[str, str] = {}
        proposer = self.proposer

        class Noting:
            name = proposer.name

            def complete(self, prompt: str, **options: Any) -> Completion:
                answer = proposer.complete(prompt, **options)
                written[code(answer.text)] = state_of(answer.text)["schedule"]
                return answer

        def evaluate(candidate: Candidate) -> Evaluation:
            schedule = Schedule.read(written[candidate.source])
            return Evaluation(Seen(True), self.seconds(schedule), self.start)

        with Database(":memory:") as database:
            return evolve(
                self.problem, proposer=Noting(), evaluate=evaluate, policy=policy, seed=seed,
                budget=Budget(candidates=candidates), database=database, notes=[],
            )  # fmt: skip


class Table:
    """Seconds of each program that any search asks for, measured once.

    Speed-ups are over the naive program, all in C++. The programs are of our own templates and run
    in this process.

    Parameters
    ----------
    problem : Problem
    seed : int
        Of inputs and parameters.
    repeats : int
        Calls of which the fastest counts.
    """

    def __init__(self, problem: Problem, *, seed: int, repeats: int) -> None:
        self.problem, self.repeats = problem, repeats
        self.proposer = FromNaive(problem, size=SIZE, language="cpp")
        self.inputs = problem.draw(SIZE, seed=seed)
        self.reference = problem.reference(SIZE, seed=seed)
        with torch.no_grad():
            self.exact = copy.deepcopy(self.reference).double()(*(x.double() for x in self.inputs))
        self.evaluations: dict[str, Evaluation] = {}
        self.start = 0.0

    def __call__(self, candidate: Candidate) -> Evaluation:
        """Build, compare and time a program, or remember it."""
        if candidate.digest not in self.evaluations:
            found = self._measure(candidate)
            self.evaluations[candidate.digest] = found
        return self.evaluations[candidate.digest]

    def _measure(self, candidate: Candidate) -> Evaluation:
        model = self.load(candidate.source)
        seconds = []
        with torch.no_grad():
            got = model(*self.inputs)
            for _ in range(self.repeats):
                begin = time.perf_counter()
                model(*self.inputs)
                seconds.append(time.perf_counter() - begin)
        off = float((got.double() - self.exact).abs().max() / self.exact.abs().max())
        if not off < 1e-4:
            return Evaluation(Seen(False, "value", f"off by {off:.1e} of the largest entry"))
        self.start = self.start or min(seconds)  # the first program is the naive one
        return Evaluation(Seen(True), min(seconds), self.start)

    def load(self, source: str) -> torch.nn.Module:
        """Return the module that a program defines, with the reference's parameters."""
        names: dict[str, object] = {"__name__": "candidate"}
        exec(source, names)
        made: Callable[..., torch.nn.Module] = names["ModelNew"]  # type: ignore[assignment]
        model = made(*self.problem.initial(*self.problem.size(SIZE))).float()
        model.load_state_dict(self.reference.state_dict())
        return model

    def search(
        self,
        policy: Policy,
        *,
        candidates: int,
        seed: int,
        path: str | Path = ":memory:",
        evaluate: Callable[[Candidate], Evaluation] | None = None,
    ) -> Result:
        """Search by a policy until so many candidates are judged."""
        with Database(path) as database:
            return evolve(
                self.problem,
                proposer=self.proposer,
                evaluate=evaluate or self,
                policy=policy,
                budget=Budget(candidates=candidates),
                database=database,
                seed=seed,
                language="cpp",
            )

    def raced_again(self, best: Entry, *, rounds: int) -> float:
        """Time the naive program and another in turn; return the ratio of their fastest calls."""
        models = [self.load(code(self.proposer.complete("").text)), self.load(best.source)]
        fastest = [float("inf")] * 2
        with torch.no_grad():
            for _ in range(rounds):
                for k, model in enumerate(models):
                    begin = time.perf_counter()
                    model(*self.inputs)
                    fastest[k] = min(fastest[k], time.perf_counter() - begin)
        return fastest[0] / fastest[1]


@dataclass(frozen=True)
class Survival:
    """What is left of a search that was killed again and again.

    Parameters
    ----------
    kills : int
    repeated : int
        Evaluations beyond one for each candidate.
    same : bool
        Whether candidates, parents, prompts, answers, verdicts and seconds are those of a search
        left in peace, and the file is sound.
    """

    kills: int
    repeated: int
    same: bool


def kill_and_resume(
    table: Table, policy: Policy, *, candidates: int, seed: int, kills: int, folder: Path
) -> Survival:
    """Search in child processes that are killed with signal 9, then to the end."""
    peaceful, killed, log = folder / "peaceful.db", folder / "killed.db", folder / "log"
    log.touch()
    # Measures all that the killed one will ask for.
    count = len(table.search(policy, candidates=candidates, seed=seed, path=peaceful).entries)

    def noted(candidate: Candidate) -> Evaluation:
        with log.open("a") as file:
            file.write(candidate.digest + "\n")
        time.sleep(FLIGHT)
        return table.evaluations[candidate.digest]

    def search() -> None:
        table.search(policy, candidates=candidates, seed=seed, path=killed, evaluate=noted)

    generator = random.Random(seed)
    died = 0
    for kill in range(kills):
        target = count * (kill + 1) // (kills + 2)
        child = os.fork()  # reads the table, calls no compiled program
        if child == 0:
            try:
                search()
            finally:
                os._exit(0)
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while len(log.read_text().split()) < target and not os.waitid(os.P_PID, child, ended):
            time.sleep(1e-3)
        time.sleep(generator.uniform(0, 2 * FLIGHT))
        os.kill(child, signal.SIGKILL)
        died += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    search()
    repeated = len(log.read_text().split()) - count
    return Survival(died, repeated, _kept(killed) == _kept(peaceful))


def _kept(path: Path) -> list[object]:
    """All that a file holds of its one run."""
    with Database(path) as database:
        sound = database.connection.execute("PRAGMA integrity_check").fetchone()[0]
        return [sound, *((e, dialogue(database, 1, e.number)) for e in database.entries(1))]
