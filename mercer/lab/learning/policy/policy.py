"""What writes candidates and can be trained: the interface of all policies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mercer.lab.candidate import Candidate
from mercer.lab.learning.policy.action import Action
from mercer.lab.learning.prompt import Prompt


class Policy(nn.Module):
    """A distribution over programs, given a prompt."""

    @abstractmethod
    def sample(self, prompts: Sequence[Prompt], generator: torch.Generator) -> list[Action]:
        """Draw one action for each prompt, with its log probabilities, without gradients.

        Parameters
        ----------
        prompts : sequence of Prompt
        generator : torch.Generator
            The only source of randomness.
        """

    @abstractmethod
    def log_prob(
        self, prompts: Sequence[Prompt], actions: Sequence[Action]
    ) -> tuple[Tensor, Tensor]:
        """Return the log probability of each choice under the present parameters.

        Returns
        -------
        log_prob : Tensor, [B, L]
            Differentiable; 0 beyond the end of an action.
        mask : Tensor of bool, [B, L]
        """

    @abstractmethod
    def candidate(self, prompt: Prompt, action: Action) -> Candidate:
        """Return the program that an action stands for.

        Raises
        ------
        ValueError
            There is none; the sentence is told to the policy in the next turn.
        """
