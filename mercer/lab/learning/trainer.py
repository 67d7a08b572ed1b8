"""Policy optimisation: one loop for every policy."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mercer import checks
from mercer.lab.learning.advantages import ADVANTAGES, reward_to_go
from mercer.lab.learning.environment import Environment
from mercer.lab.learning.loss import divergence, surrogate
from mercer.lab.learning.policy.policy import Policy
from mercer.lab.learning.recipe import Recipe
from mercer.lab.learning.trajectory import Trajectory, Turn, group_tensors
from mercer.lab.problem import Problem
from mercer.learn.checkpoint import Checkpoint, fingerprint
from mercer.learn.progress import Progress


class Trainer:
    """Draw groups of trajectories, weigh their turns, move the policy; over and over.

    Parameters
    ----------
    policy : Policy
        Trained in place, in evaluation mode (no dropout).
    environment : Environment
    problems : sequence of Problem
        Every step goes over all of them.
    recipe : Recipe, optional
    seed : int, optional
    sampler : Policy, optional
        What draws actions, if that is another program than the trained policy.
    checkpoint : str or Path, optional
        A file that the state is written to; if it exists, training goes on from there.
    checkpoint_every : float, optional
        Seconds between two writes.
    progress : bool, optional

    Attributes
    ----------
    history : list of dict
        Of each step: `reward`, `right`, `speedup` (means over turns; the last over right ones),
        `executions` so far, `divergence`, `gradient`, its norm.
    """

    def __init__(
        self,
        policy: Policy,
        environment: Environment,
        problems: Sequence[Problem],
        recipe: Recipe | None = None,
        *,
        seed: int = 0,
        sampler: Policy | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = 60.0,
        progress: bool = True,
    ) -> None:
        if not problems:
            raise ValueError("problems must have at least one member, got none")
        self.policy, self.environment = policy.eval(), environment
        self.problems, self.recipe = list(problems), recipe or Recipe()
        self.sampler = sampler or policy
        self.reference = copy.deepcopy(policy).requires_grad_(False)
        self.generator = torch.Generator().manual_seed(seed)
        self.optimizer = torch.optim.Adam(policy.parameters(), lr=self.recipe.learning_rate)
        self.history: list[dict[str, Any]] = []
        self.progress = progress
        self._file = None
        self._kept = self._state()
        if checkpoint is not None:
            about = (asdict(self.recipe), [p.name for p in self.problems], seed)
            self._file = Checkpoint(checkpoint, checkpoint_every, fingerprint([], about))
            self._resume()

    def fit(self, steps: int) -> list[dict[str, Any]]:
        """Train until there are `steps` steps in the history, and return it.

        An interruption (Ctrl-C) leaves policy, optimiser, random numbers and file as they were
        after the last full step.
        """
        checks.count("steps", steps)
        with Progress(self.progress, "train") as progress:
            try:
                while len(self.history) < steps:
                    self.step()
                    progress({"iteration": len(self.history), "of": steps, **self._told()})
                    self._kept = self._state()
                    if self._file is not None:
                        self._file.offer(lambda: self._kept)
            except BaseException:
                self._restore(*self._kept)
                self._write()
                raise
        self._write()
        return self.history

    def step(self) -> None:
        """Make one step: roll out, weigh, update."""
        groups = self.environment.rollout(
            self.sampler, self.problems, self.recipe.group, self.generator
        )
        turns = [turn for group in groups for trajectory in group for turn in trajectory]
        count = sum(len(group) for group in groups)
        advantage = torch.cat([self._advantages(group) for group in groups])  # [B]
        record = self._summary(turns)
        record |= self._update(turns, advantage, count)
        self.history.append(record)

    def _advantages(self, group: list[Trajectory]) -> Tensor:
        """Return the advantage of each turn of a group, trajectory by trajectory."""
        rewards, alive = group_tensors(group, self.environment.turns)
        returns = reward_to_go(rewards, self.recipe.discount)
        return ADVANTAGES[self.recipe.advantage](returns, alive)[alive]

    def _update(self, turns: list[Turn], advantage: Tensor, count: int) -> dict[str, float]:
        prompts, actions = [t.prompt for t in turns], [t.action for t in turns]
        with torch.no_grad():
            old, mask = self.policy.log_prob(prompts, actions)
        weight = self._weights(turns, old, mask)
        advantage = advantage.to(old)
        reference = old
        if self.recipe.divergence:
            with torch.no_grad():
                reference, _ = self.reference.log_prob(prompts, actions)
        told: dict[str, float] = {}
        for _ in range(self.recipe.epochs):
            log_prob, _ = self.policy.log_prob(prompts, actions)
            apart = divergence(log_prob, reference, mask).sum() / count
            gain = surrogate(log_prob, old, advantage, weight, self.recipe.clip).sum() / count
            self.optimizer.zero_grad()
            (self.recipe.divergence * apart - gain).backward()
            norm = torch.nn.utils.clip_grad_norm_(
                self.policy.parameters(), self.recipe.largest_gradient
            )
            self.optimizer.step()
            told = {"divergence": float(apart.detach()), "gradient": float(norm)}
        return told

    def _weights(self, turns: list[Turn], trainer: Tensor, mask: Tensor) -> Tensor:
        """Return the weight of each token: mismatch corrected, lazy and lost turns left out."""
        weight = mask.to(trainer)
        if self.recipe.mismatch is not None:
            sampler = torch.zeros_like(trainer)
            for row, turn in zip(sampler, turns):
                row[: len(turn.action.tokens)] = turn.action.log_probs.to(trainer)
            weight = self.recipe.mismatch(trainer, sampler, mask)
        if self.recipe.rejection is not None:
            kept = self.recipe.rejection(
                [t.outcome.coverage for t in turns],
                [t.outcome.right for t in turns],
                self.generator,
                [t.outcome.speedup for t in turns],
            )
            weight = weight * kept.to(weight)[:, None]
        lost = torch.tensor([t.outcome.blame == "device" for t in turns], device=weight.device)
        return weight.masked_fill(lost[:, None], 0.0)

    def _summary(self, turns: list[Turn]) -> dict[str, Any]:
        right = [t.outcome.speedup for t in turns if t.outcome.right]
        return {
            "reward": sum(t.reward for t in turns) / len(turns),
            "right": len(right) / len(turns),
            "speedup": sum(right) / len(right) if right else 0.0,
            "executions": self.environment.executions,
        }

    def _told(self) -> dict[str, Any]:
        return {k: self.history[-1][k] for k in ("reward", "right", "speedup", "executions")}

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return copies of all that training needs to go on."""
        tensors = {f"policy.{k}": v for k, v in self.policy.state_dict().items()}
        tensors |= {f"reference.{k}": v for k, v in self.reference.state_dict().items()}
        for k, held in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{k}.{name}": torch.as_tensor(v) for name, v in held.items()}
        tensors["generator"] = self.generator.get_state()
        copies = {k: v.detach().clone() for k, v in tensors.items()}
        info = {"history": list(self.history), "executions": self.environment.executions}
        return copies, info

    def _restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        def part(name: str) -> dict[str, Tensor]:
            return {k.removeprefix(name): v for k, v in tensors.items() if k.startswith(name)}

        self.policy.load_state_dict(part("policy."))
        self.reference.load_state_dict(part("reference."))
        held: dict[int, dict[str, Tensor]] = {}
        for key, value in part("optimizer.").items():
            number, _, name = key.partition(".")
            held.setdefault(int(number), {})[name] = value.clone()
        plain = self.optimizer.state_dict()
        self.optimizer.load_state_dict({**plain, "state": held})
        self.generator.set_state(tensors["generator"].cpu())
        self.history[:] = info["history"]
        self.environment.executions = info["executions"]

    def _resume(self) -> None:
        saved = self._file.read() if self._file is not None else None
        if saved is not None:
            self._restore(saved.tensors, saved.info)
            self._kept = self._state()

    def _write(self) -> None:
        if self._file is not None:
            self._file.write(*self._kept)
