"""Episodes small enough to enumerate: the exact mean and variance of a policy-gradient estimate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mercer import checks
from mercer.lab.learning.advantages import reward_to_go


@dataclass(frozen=True)
class Moments:
    """Of the estimate of one group.

    Parameters
    ----------
    mean : Tensor, [S, A]
        Expected gradient in the logits.
    variance : float
        Trace of the estimate's covariance.
    """

    mean: Tensor
    variance: float


class Tree:
    """An episode of a few turns under a softmax policy with a row of logits for each state.

    It begins in state 0; an action ends it or leads to a later state.

    Parameters
    ----------
    next_state : sequence of sequences of int, [S, A]
        Where an action leads; -1 ends the episode.
    rewards : sequence of sequences of float, [S, A]

    Examples
    --------
    Stop for 0.2, or go on for 1 or nothing:

    >>> tree = Tree([[-1, 1], [-1, -1]], [[0.2, 0.0], [1.0, 0.0]])
    >>> tree.trajectories
    [[(0, 0)], [(0, 1), (1, 0)], [(0, 1), (1, 1)]]
    >>> round(float(tree.value(torch.zeros(2, 2))), 6)
    0.35
    """

    def __init__(
        self, next_state: Sequence[Sequence[int]], rewards: Sequence[Sequence[float]]
    ) -> None:
        self.next_state = [list(row) for row in next_state]
        self.rewards = torch.tensor(rewards, dtype=torch.float64)
        if [len(row) for row in self.next_state] != [self.rewards.shape[-1]] * len(self.rewards):
            raise ValueError("next_state and rewards must both be [states, actions]")
        for s, row in enumerate(self.next_state):
            if any(t != -1 and not s < t < len(self.next_state) for t in row):
                raise ValueError(f"next_state of {s} must be -1 or a later state, got {row}")
        self.trajectories = list(self._from(0))
        turns = max(len(t) for t in self.trajectories)
        shape = (len(self.trajectories), turns)
        self.alive = torch.zeros(shape, dtype=torch.bool)  # [K, T]
        self.states = torch.zeros(shape, dtype=torch.int64)
        self.actions = torch.zeros(shape, dtype=torch.int64)
        for k, trajectory in enumerate(self.trajectories):
            for t, (state, action) in enumerate(trajectory):
                self.alive[k, t], self.states[k, t], self.actions[k, t] = True, state, action
        self.collected = torch.where(self.alive, self.rewards[self.states, self.actions], 0.0)

    def _from(self, state: int) -> list[list[tuple[int, int]]]:
        found = []
        for action, after in enumerate(self.next_state[state]):
            rest = [[]] if after == -1 else self._from(after)
            found += [[(state, action), *tail] for tail in rest]
        return found

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probability of each trajectory: [K]."""
        log_prob = logits.double().log_softmax(-1)[self.states, self.actions]  # [K, T]
        return torch.where(self.alive, log_prob, 0.0).sum(-1).exp()

    def survival(self, logits: Tensor) -> Tensor:
        """Return the probability that a trajectory has each turn: [T]."""
        return (self.probabilities(logits) @ self.alive.double()).clamp(max=1.0)

    def value(self, logits: Tensor, discount: float = 1.0) -> Tensor:
        """Return the expected discounted return; differentiable."""
        returns = reward_to_go(self.collected, discount)[:, 0]
        return self.probabilities(logits) @ returns

    def scores(self, logits: Tensor) -> Tensor:
        """Return the gradient of the log probability of each turn's action: [K, T, S, A]."""
        count, actions = self.rewards.shape
        probability = logits.double().softmax(-1)
        at = torch.nn.functional.one_hot(self.states, count).double()  # [K, T, S]
        taken = torch.nn.functional.one_hot(self.actions, actions).double()  # [K, T, A]
        score = at[..., None] * (taken - probability[self.states])[..., None, :]
        return score * self.alive[..., None, None]

    def turn_gradients(self, logits: Tensor, discount: float = 1.0) -> Tensor:
        """Return the share of each turn in the gradient of :meth:`value`: [T, S, A]."""
        returns = reward_to_go(self.collected, discount)
        weight = discount ** torch.arange(returns.shape[-1], dtype=torch.float64)
        of_turn = (returns * weight)[..., None, None] * self.scores(logits)  # [K, T, S, A]
        return torch.einsum("k,ktsa->tsa", self.probabilities(logits), of_turn)

    def moments(
        self,
        logits: Tensor,
        advantage: Callable[[Tensor, Tensor], Tensor],
        group: int,
        discount: float = 1.0,
    ) -> Moments:
        r"""Return mean and variance of :math:`\frac1N \sum_{i,t} \gamma^t A_{i,t} \nabla \log \pi`.

        Parameters
        ----------
        logits : Tensor, [S, A]
        advantage : callable
            Returns [..., N, T] and who is alive in, advantages out; of groups in any order.
        group : int
            N. The sum goes over all multisets of N trajectories.
        discount : float, optional
        """
        checks.count("group", group)
        count = len(self.trajectories)
        groups = torch.tensor(list(itertools.combinations_with_replacement(range(count), group)))
        often = torch.stack([(groups == k).sum(-1) for k in range(count)], -1)  # [M, K]
        log_ways = math.lgamma(group + 1) - torch.lgamma(often.double() + 1).sum(-1)
        log_prob = (often * self.probabilities(logits).log()).sum(-1)
        probability = (log_ways + log_prob).exp()  # [M]
        returns = reward_to_go(self.collected, discount)
        advantages = advantage(returns[groups], self.alive[groups])  # [M, N, T]
        weight = discount ** torch.arange(returns.shape[-1], dtype=torch.float64)
        scores = self.scores(logits)[groups]  # [M, N, T, S, A]
        estimates = torch.einsum("mnt,mntsa->msa", advantages * weight, scores) / group
        mean = torch.einsum("m,msa->sa", probability, estimates)
        variance = probability @ (estimates - mean).square().sum((-1, -2))
        return Moments(mean, float(variance))
