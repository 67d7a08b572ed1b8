"""Turns of a policy on one problem, and groups of them as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer.lab.candidate import Candidate
from mercer.lab.learning.outcome import Outcome
from mercer.lab.learning.policy.action import Action
from mercer.lab.learning.prompt import Prompt


@dataclass(frozen=True, eq=False)
class Turn:
    """One turn: what was asked, said, made of it, and what it was worth.

    Parameters
    ----------
    prompt : Prompt
    action : Action
    candidate : Candidate or None
    outcome : Outcome
    reward : float
    """

    prompt: Prompt
    action: Action
    candidate: Candidate | None
    outcome: Outcome
    reward: float


Trajectory = list[Turn]


def group_tensors(group: Sequence[Trajectory], turns: int) -> tuple[Tensor, Tensor]:
    """Return rewards [N, T] in float64 and which trajectories have which turn, [N, T].

    A trajectory that ended early rests at its last reward for the turns that it had left; else
    being done at once would be worth less than being done late.
    """
    rewards = torch.zeros(len(group), turns, dtype=torch.float64)
    alive = torch.zeros(len(group), turns, dtype=torch.bool)
    for i, trajectory in enumerate(group):
        for t, turn in enumerate(trajectory):
            rewards[i, t:], alive[i, t] = turn.reward, True
    return rewards, alive
