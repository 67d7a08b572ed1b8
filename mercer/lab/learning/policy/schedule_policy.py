"""A small recurrent network that writes schedules."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mercer.lab.candidate import Candidate
from mercer.lab.learning.policy.action import Action
from mercer.lab.learning.policy.grammar import Decision, Grammar
from mercer.lab.learning.policy.policy import Policy
from mercer.lab.learning.prompt import Prompt

TURN = 4  # numbers that say what became of the turn before


class SchedulePolicy(Policy):
    """Choose one field of a schedule after the other, given the problem and the last outcome.

    A gated recurrent unit reads, for every decision, which field it is, what the array or kernel is
    like, and what was chosen before; a row of logits per field scores the values. All logits begin
    at 0: the untrained policy is uniform.

    Parameters
    ----------
    grammar : Grammar
    width : int, optional
        Of the recurrent state.
    seed : int, optional
        Of the initial weights.

    Examples
    --------
    >>> from mercer.lab.learning.policy import ScheduleGrammar
    >>> from mercer.lab.problems import find
    >>> policy = SchedulePolicy(ScheduleGrammar(size="small"))
    >>> prompt = Prompt(find("softmax"))
    >>> action = policy.sample([prompt], torch.Generator().manual_seed(0))[0]
    >>> log_prob, mask = policy.log_prob([prompt], [action])
    >>> bool(log_prob[0].allclose(action.log_probs)), policy.candidate(prompt, action).language
    (True, 'triton')
    """

    def __init__(self, grammar: Grammar, *, width: int = 32, seed: int = 0) -> None:
        super().__init__()
        self.grammar, self.width = grammar, width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.initial = nn.Linear(grammar.problem_features + TURN, width)
            self.field = nn.Embedding(len(grammar.fields), width)
            self.previous = nn.Embedding(grammar.widest + 1, width)  # the last row: nothing yet
            if grammar.decision_features:
                self.about = nn.Linear(grammar.decision_features, width)
            self.cell = nn.GRUCell(width, width)
        self.weight = nn.Parameter(torch.zeros(len(grammar.fields), grammar.widest, width))
        self.bias = nn.Parameter(torch.zeros(len(grammar.fields), grammar.widest))
        self._numbers = {name: k for k, name in enumerate(grammar.fields)}

    @torch.no_grad()
    def sample(self, prompts: Sequence[Prompt], generator: torch.Generator) -> list[Action]:
        """Draw one schedule for each prompt."""
        choices: list[tuple[int, ...]] = [() for _ in prompts]
        log_probs: list[list[Tensor]] = [[] for _ in prompts]
        state = self._begin(prompts)  # [B, width]
        while True:
            decisions = [self.grammar.decision(p.problem, c) for p, c in zip(prompts, choices)]
            open_ = [b for b, decision in enumerate(decisions) if decision is not None]
            if not open_:
                break
            asked = [d for d in decisions if d is not None]
            last = [choices[b][-1] if choices[b] else self.grammar.widest for b in open_]
            state[open_], log_prob = self._step(state[open_], asked, last)
            # The Gumbel trick: one uniform number for each value, whoever else is in the batch.
            u = torch.rand(log_prob.shape, generator=generator, dtype=torch.float64)
            drawn = (log_prob.double().cpu() - (-u.log()).log()).argmax(-1)
            for row, b in enumerate(open_):
                choices[b] += (int(drawn[row]),)
                log_probs[b].append(log_prob[row, drawn[row]])
        return [Action(c, torch.stack(p)) for c, p in zip(choices, log_probs)]

    def log_prob(
        self, prompts: Sequence[Prompt], actions: Sequence[Action]
    ) -> tuple[Tensor, Tensor]:
        """Return the log probability of each choice: [B, L], and which are choices."""
        length = max(len(a.tokens) for a in actions)
        state = self._begin(prompts)
        columns, masks = [], []
        for t in range(length):
            open_ = [b for b, a in enumerate(actions) if t < len(a.tokens)]
            tokens = [actions[b].tokens for b in open_]
            asked = [self._decided(prompts[b], tokens[row][:t]) for row, b in enumerate(open_)]
            last = [c[t - 1] if t else self.grammar.widest for c in tokens]
            index = torch.tensor(open_, device=state.device)
            after, log_prob = self._step(state[index], asked, last)
            state = state.index_copy(0, index, after)
            chosen = torch.tensor([[c[t]] for c in tokens], device=state.device)
            column = torch.zeros(len(actions), device=state.device)
            columns.append(column.index_copy(0, index, log_prob.gather(-1, chosen)[:, 0]))
            masks.append(torch.zeros_like(column, dtype=torch.bool).index_fill(0, index, True))
        return torch.stack(columns, -1), torch.stack(masks, -1)

    def candidate(self, prompt: Prompt, action: Action) -> Candidate:
        """Return the program of a schedule."""
        return self.grammar.candidate(prompt.problem, action.tokens)

    def _decided(self, prompt: Prompt, choices: tuple[int, ...]) -> Decision:
        decision = self.grammar.decision(prompt.problem, choices)
        if decision is None:
            raise ValueError(f"an action has more choices than the grammar's {len(choices)}")
        return decision

    def _begin(self, prompts: Sequence[Prompt]) -> Tensor:
        rows = [(*self.grammar.features(p.problem), *_turn(p)) for p in prompts]
        return torch.tanh(self.initial(torch.tensor(rows, device=self.bias.device)))

    def _step(
        self, state: Tensor, decisions: Sequence[Decision], last: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Return the next state [B, width] and the log probabilities of the values [B, widest]."""
        device = self.bias.device
        field = torch.tensor([self._numbers[d.field] for d in decisions], device=device)
        read = self.field(field) + self.previous(torch.tensor(last, device=device))
        if self.grammar.decision_features:
            about = torch.tensor([d.features for d in decisions], device=device)
            read = read + self.about(about)
        state = self.cell(read, state)
        logits = torch.einsum("bvw,bw->bv", self.weight[field], state) + self.bias[field]
        count = torch.tensor([len(d.values) for d in decisions], device=device)
        absent = torch.arange(self.grammar.widest, device=device) >= count[:, None]
        return state, logits.masked_fill(absent, -math.inf).log_softmax(-1)


def _turn(prompt: Prompt) -> tuple[float, ...]:
    """Say how many turns there were, and how the last one ended."""
    if not prompt.answers:
        return (0.0,) * TURN
    last = prompt.answers[-1].outcome
    speed = math.log(last.speedup) if last.right else 0.0
    return float(len(prompt.answers)), float(last.compiled), float(last.right), speed
