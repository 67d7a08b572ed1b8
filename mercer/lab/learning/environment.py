"""Where a policy writes candidates, is told what became of them, and writes again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import torch

from mercer import checks
from mercer.lab.candidate import Candidate
from mercer.lab.learning.ledger import Ledger
from mercer.lab.learning.outcome import Outcome
from mercer.lab.learning.policy.action import Action
from mercer.lab.learning.policy.policy import Policy
from mercer.lab.learning.prompt import Prompt
from mercer.lab.learning.trajectory import Trajectory, Turn
from mercer.lab.learning.workers import Workers
from mercer.lab.problem import Problem


class Environment:
    """Several turns of a policy on problems: prompt, candidate, feedback, next prompt.

    Parameters
    ----------
    workers : Workers
        Who examines candidates; hacking is caught there, by rule, check and race.
    reward : callable
        From an `Outcome` to a number.
    turns : int, optional
        At most.
    enough : float, optional
        A trajectory ends with a right candidate that is so many times as fast as the baseline.
    language : str, optional
        That prompts ask for.
    ledger : str or Path, optional
        A file that every turn is written to.

    Attributes
    ----------
    executions : int
        Candidates that were run so far.
    """

    def __init__(
        self,
        workers: Workers,
        reward: Callable[[Outcome], float],
        *,
        turns: int = 1,
        enough: float | None = None,
        language: str = "triton",
        ledger: str | Path | None = None,
    ) -> None:
        checks.count("turns", turns)
        if enough is not None:
            checks.positive("enough", enough)
        self.workers, self.reward, self.turns = workers, reward, turns
        self.enough, self.language = enough, language
        self.ledger = None if ledger is None else Ledger(ledger)
        self.executions = 0
        self._groups = 0

    def rollout(
        self,
        policy: Policy,
        problems: Sequence[Problem],
        group: int,
        generator: torch.Generator,
    ) -> list[list[Trajectory]]:
        """Let a policy try each problem `group` times.

        Parameters
        ----------
        policy : Policy
        problems : sequence of Problem
        group : int
        generator : torch.Generator

        Returns
        -------
        list of list of list of Turn
            By problem and member of its group. All first turns are drawn and examined together,
            then all second ones.
        """
        checks.count("group", group)
        prompts = [Prompt(p, self.language) for p in problems for _ in range(group)]
        trajectories: list[Trajectory] = [[] for _ in prompts]
        open_ = list(range(len(prompts)))
        for _ in range(self.turns):
            actions = policy.sample([prompts[i] for i in open_], generator)
            handed = [self._hand_in(policy, prompts[i], a) for i, a in zip(open_, actions)]
            going = []
            for i, action, (candidate, promise) in zip(open_, actions, handed):
                outcome = promise.result()
                self.executions += outcome.executed
                turn = Turn(prompts[i], action, candidate, outcome, self.reward(outcome))
                trajectories[i].append(turn)
                if self.ledger is not None:
                    self.ledger.write(turn, group=self._groups + i // group, member=i % group)
                if not self._ended(outcome):
                    prompts[i] = prompts[i].after(candidate, outcome)
                    going.append(i)
            open_ = going
            if not open_:
                break
        self._groups += len(problems)
        return [trajectories[k : k + group] for k in range(0, len(trajectories), group)]

    def _hand_in(
        self, policy: Policy, prompt: Prompt, action: Action
    ) -> tuple[Candidate | None, Future[Outcome]]:
        try:
            candidate = policy.candidate(prompt, action)
        except ValueError as error:
            promise: Future[Outcome] = Future()
            promise.set_result(Outcome("written", feedback=f"no program: {error}", attempts=0))
            return None, promise
        return candidate, self.workers.submit(prompt.problem, candidate)

    def _ended(self, outcome: Outcome) -> bool:
        return self.enough is not None and outcome.right and outcome.speedup >= self.enough
