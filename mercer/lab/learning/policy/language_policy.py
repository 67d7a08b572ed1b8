"""A causal language model of `transformers` that writes programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mercer import checks
from mercer.lab.candidate import Candidate, language_of
from mercer.lab.learning.policy.action import Action
from mercer.lab.learning.policy.policy import Policy
from mercer.lab.learning.prompt import Prompt

FENCE = re.compile(r"```[\w+-]*\n(.*?)```", re.DOTALL)


class Tokenizer(Protocol):
    """What is needed of a tokenizer of `transformers`."""

    eos_token_id: int | None

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        ...

    def decode(self, tokens: list[int]) -> str:
        """Return the text of tokens."""
        ...


class LanguagePolicy(Policy):
    """Any causal model of `transformers`: prompts and programs are texts.

    Put it into evaluation mode: under dropout, sampler and trainer would be two policies.

    Parameters
    ----------
    model : Module
        Called with `input_ids`, `attention_mask`, `position_ids`, `past_key_values`, `use_cache`.
    tokenizer : Tokenizer
    new_tokens : int, optional
        Longest answer.
    temperature : float, positive, optional
        Of the sampler and of the log probabilities alike.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        *,
        new_tokens: int = 1024,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        checks.count("new_tokens", new_tokens)
        checks.positive("temperature", temperature)
        self.model, self.tokenizer = model, tokenizer
        self.new_tokens, self.temperature = new_tokens, temperature

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    @torch.no_grad()
    def sample(self, prompts: Sequence[Prompt], generator: torch.Generator) -> list[Action]:
        """Draw one answer for each prompt, token by token, with the keys and values kept."""
        texts = [self.tokenizer.encode(p.text) for p in prompts]
        ids, mask = self._padded(texts, left=True)  # [B, P]
        tokens: list[list[int]] = [[] for _ in texts]
        log_probs: list[list[Tensor]] = [[] for _ in texts]
        cache: Any = None
        ended = [False] * len(texts)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        for _ in range(self.new_tokens):
            out = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
            )
            cache = out.past_key_values
            log_prob = self._scaled(out.logits[:, -1])  # [B, V]
            u = torch.rand(log_prob.shape, generator=generator, dtype=torch.float64)
            drawn = (log_prob.double().cpu() - (-u.log()).log()).argmax(-1)
            for b, token in enumerate(drawn.tolist()):
                if not ended[b]:
                    tokens[b].append(token)
                    log_probs[b].append(log_prob[b, token].cpu())
                    ended[b] = token == self.tokenizer.eos_token_id
            if all(ended):
                break
            ids = drawn[:, None].to(self.device)
            mask = torch.cat([mask, torch.ones_like(ids)], -1)
            positions = positions[:, -1:] + 1
        return [Action(tuple(t), torch.stack(p)) for t, p in zip(tokens, log_probs)]

    def log_prob(
        self, prompts: Sequence[Prompt], actions: Sequence[Action]
    ) -> tuple[Tensor, Tensor]:
        """Return the log probability of each token of the answers: [B, L], and which are tokens."""
        texts = [self.tokenizer.encode(p.text) for p in prompts]
        joined, present = self._padded([[*x, *a.tokens] for x, a in zip(texts, actions)])
        length = max(len(a.tokens) for a in actions)
        logits = self.model(input_ids=joined, attention_mask=present).logits  # [B, P + L, V]
        begin = torch.tensor([len(x) for x in texts], device=self.device)
        offset = torch.arange(length, device=self.device)
        count = torch.tensor([len(a.tokens) for a in actions], device=self.device)
        mask = offset < count[:, None]  # [B, L]
        # The logits at a place are those of the token after it.
        at = torch.where(mask, begin[:, None] - 1 + offset, 0)
        told = logits.gather(1, at[..., None].expand(-1, -1, logits.shape[-1]))
        chosen = joined.gather(1, (at + 1).clamp(max=joined.shape[1] - 1))
        log_prob = self._scaled(told).gather(-1, chosen[..., None])[..., 0]
        return torch.where(mask, log_prob, 0.0), mask

    def candidate(self, prompt: Prompt, action: Action) -> Candidate:
        """Return the last fenced block of code of an answer."""
        blocks = FENCE.findall(self.tokenizer.decode(list(action.tokens)))
        if not blocks or not blocks[-1].strip():
            raise ValueError("the answer holds no fenced block of code")
        return Candidate(blocks[-1], language_of(blocks[-1]))

    def _scaled(self, logits: Tensor) -> Tensor:
        return (logits.float() / self.temperature).log_softmax(-1)

    def _padded(self, rows: list[list[int]], *, left: bool = False) -> tuple[Tensor, Tensor]:
        """Return rows of tokens as one tensor and which places hold tokens: [B, P] each."""
        if not all(rows):
            raise ValueError("the tokenizer must make at least one token of a prompt")
        width = max(map(len, rows))
        ids = torch.zeros(len(rows), width, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for b, row in enumerate(rows):
            place = slice(width - len(row), width) if left else slice(0, len(row))
            ids[b, place], mask[b, place] = torch.tensor(row), 1
        return ids.to(self.device), mask.to(self.device)
