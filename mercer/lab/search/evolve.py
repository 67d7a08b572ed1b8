"""The search: select, propose, evaluate, remember."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mercer.lab.candidate import Candidate
from mercer.lab.models.completion import Model
from mercer.lab.problem import Problem
from mercer.lab.search.budget import Budget
from mercer.lab.search.database import Database
from mercer.lab.search.entry import Entry
from mercer.lab.search.evaluation import Evaluation
from mercer.lab.search.policy import Policy, ranked
from mercer.lab.search.prompt import question
from mercer.lab.search.propose import Proposal, propose
from mercer.lab.search.retrieval import Note, Retrieval, own_notes
from mercer.learn.progress import Progress

REPEATS = 16  # times that a model may answer with a candidate that was tried before


@dataclass(frozen=True)
class Result:
    """What a search found.

    Parameters
    ----------
    problem : str
    run : int
        Its number in the database.
    best : Entry, optional
        None if no candidate was right.
    entries : tuple of Entry
        All candidates in order.
    stopped : str
        Why it ended.
    seconds : float
    """

    problem: str
    run: int
    best: Entry | None
    entries: tuple[Entry, ...]
    stopped: str
    seconds: float

    def json(self) -> dict[str, Any]:
        """Return what JSON carries."""
        best = None if self.best is None else self.best.json()
        entries = [entry.json() for entry in self.entries]
        return {**self.__dict__, "best": best, "entries": entries}


def evolve(
    problem: Problem,
    *,
    proposer: Model,
    evaluate: Callable[[Candidate], Evaluation],
    policy: Policy,
    budget: Budget,
    database: Database,
    seed: int = 0,
    language: str = "triton",
    notes: Sequence[Note] | None = None,
    resume: bool = True,
    progress: bool = False,
) -> Result:
    """Search for a fast candidate.

    Every step is committed before the next begins: a search that is killed and started again with
    the same problem, seed, policy and proposer goes on where it was, and at most the candidate in
    flight is proposed or evaluated once more.

    Parameters
    ----------
    problem : Problem
    proposer : Model
    evaluate : callable
        Checks and times a candidate against the baseline. It must not raise for a candidate's sake.
    policy : Policy
    budget : Budget
    database : Database
    seed : int
    language : {"torch", "triton", "cuda", "cpp"}
        What candidates should be written in.
    notes : sequence of Note, optional
        What the prompts' notes are retrieved from. Default: those of the library.
    resume : bool
        Whether a run with the same settings is gone on with; otherwise it is deleted first.
    progress : bool
    """
    settings = {"policy": repr(policy), "proposer": proposer.name, "language": language}
    run = database.run(problem.name, seed, settings)
    if run is not None and not resume:
        database.forget(run)
        run = None
    if run is None:
        run = database.start(problem.name, seed, settings)
    find = Retrieval(own_notes() if notes is None else notes)
    begun, before = time.monotonic(), database.seconds(run)
    with Progress(progress, f"evolve {problem.name}") as show:
        while True:
            entries = database.entries(run)
            spent = before + time.monotonic() - begun
            stopped = budget.spent(entries, spent)
            waiting = [e for e in entries if e.state == "proposed"]
            if stopped and not waiting:
                break
            start = time.monotonic()
            if waiting:  # proposed by a process that did not live to see the verdict
                number, candidate = waiting[0].number, _candidate(waiting[0])
            else:
                number = len(entries)
                made = _next(problem, proposer, policy, entries, find, seed, language)
                if made is None:
                    stopped = "the proposer has nothing new"
                    break
                proposal, parents, island, drawn = made
                candidate = proposal.candidate
                database.propose(
                    run,
                    number,
                    candidate,
                    schedule=proposal.schedule,
                    parents=parents,
                    island=island,
                    prompt=proposal.prompt,
                    seed=drawn,
                    model=proposer.name,
                    completion=proposal.completion,
                )
            evaluation = evaluate(candidate)
            database.judge(run, number, evaluation, seconds=time.monotonic() - start)
            show(_record(database.entries(run), budget, spent))
    database.stop(run, stopped)
    entries = database.entries(run)
    best = next(iter(ranked(entries)), None)
    return Result(problem.name, run, best, tuple(entries), stopped, database.seconds(run))


def _next(
    problem: Problem,
    proposer: Model,
    policy: Policy,
    entries: Sequence[Entry],
    find: Retrieval,
    seed: int,
    language: str,
) -> tuple[Proposal, list[str], int, int] | None:
    """The next candidate that was not tried yet; a function of seed and entries alone."""
    known = {entry.digest for entry in entries}
    for repeat in range(REPEATS):
        generator = random.Random(f"{seed} {len(entries)} {repeat}")
        selection = policy.select(entries, generator)
        parents = selection.parents or _broken(entries, generator)
        found = find(question(problem, parents, entries))
        drawn = generator.getrandbits(31)
        proposal = propose(
            problem, parents, found, entries, model=proposer, language=language, seed=drawn
        )
        if proposal.candidate.digest not in known:
            return proposal, [p.digest for p in parents], selection.island, drawn
    return None


def _broken(entries: Sequence[Entry], generator: random.Random) -> tuple[Entry, ...]:
    """Now and then the latest failure, to be repaired, while nothing is right yet."""
    failed = [e for e in entries if e.failure]
    return (failed[-1],) if failed and generator.random() < 0.5 else ()


def _candidate(entry: Entry) -> Candidate:
    return Candidate(entry.source, entry.language, f"candidate-{entry.number}")


def _record(entries: Sequence[Entry], budget: Budget, spent: float) -> dict[str, Any]:
    best = next(iter(ranked(entries)), None)
    most = budget.candidates or (math.inf if math.isinf(budget.seconds) else None)
    if most is None:  # count in seconds
        most, at = int(budget.seconds), int(spent)
    else:
        at = len(entries)
    speedup = math.nan if best is None else best.speedup
    failed = sum(bool(e.failure) for e in entries)
    of = most if math.isfinite(most) else max(at, 1)
    return {
        "iteration": at, "of": of, "candidates": len(entries), "failed": failed,
        "speedup": speedup,
    }  # fmt: skip
