"""Policies: their probabilities are a distribution, and those that they sampled by."""

from __future__ import annotations

import ast
import itertools
import math
from collections import Counter

import pytest
import torch

from mercer.lab.learning import LanguagePolicy, Outcome, Prompt, SchedulePolicy
from mercer.lab.learning.policy import Action, ScheduleGrammar
from mercer.lab.templates import Schedule, emit
from tests.lab.learning_worlds import VALUES, FourFields
from tests.lab.small_problems import LayerNorm, Linear, Softmax
from tests.lab.traced import traced


def all_actions(grammar, problem, choices=()):
    """Every action of a grammar."""
    decision = grammar.decision(problem, choices)
    if decision is None:
        return [Action(choices, torch.zeros(len(choices)))]
    after = [all_actions(grammar, problem, (*choices, k)) for k in range(len(decision.values))]
    return list(itertools.chain.from_iterable(after))


def stirred(seed=0):
    """A policy that is not uniform any more."""
    policy = SchedulePolicy(FourFields(), width=8).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in policy.parameters():
            p.copy_(0.7 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return policy.float()


def test_probabilities_of_all_schedules_sum_to_one():
    policy = stirred()
    actions = all_actions(policy.grammar, Softmax)
    assert len(actions) == 4 * 5 + 2 * 4 * 4 * 5
    log_prob, mask = policy.log_prob([Prompt(Softmax)] * len(actions), actions)
    assert abs(float(log_prob.sum(-1).exp().sum().detach()) - 1) < 1e-5
    assert mask.sum(-1).tolist() == [len(a.tokens) for a in actions]
    assert not log_prob[~mask].any()


def test_an_untrained_policy_is_uniform():
    policy = SchedulePolicy(FourFields())
    action = Action((1, 0, 0, 0), torch.zeros(4))
    log_prob, _ = policy.log_prob([Prompt(Softmax)], [action])
    wanted = torch.tensor([1 / 3, 1 / 4, 1 / 4, 1 / 5]).log()
    assert torch.allclose(log_prob[0], wanted)


def test_samples_have_the_frequencies_that_are_stated():
    policy, n = stirred(1), 6000
    drawn = policy.sample([Prompt(Softmax)] * n, torch.Generator().manual_seed(0))
    actions = all_actions(policy.grammar, Softmax)
    log_prob, _ = policy.log_prob([Prompt(Softmax)] * len(actions), actions)
    chance = log_prob.sum(-1).exp().detach().double()
    seen = Counter(a.tokens for a in drawn)
    count = torch.tensor([seen[a.tokens] for a in actions]).double()
    frequent = chance * n > 20
    chi = ((count - n * chance).square() / (n * chance))[frequent].sum()
    freedom = int(frequent.sum()) - 1
    assert freedom > 20
    assert chi < freedom + 5 * math.sqrt(2 * freedom)


def test_samplers_and_trainers_probabilities_agree_in_any_batch():
    policy = stirred(2)
    told = Prompt(Linear).after(None, Outcome("right", True, True, 2.0))
    prompts = [Prompt(Softmax), told, Prompt(Linear)]
    actions = policy.sample(prompts, torch.Generator().manual_seed(3))
    log_prob, mask = policy.log_prob(prompts, actions)
    for row, present, action in zip(log_prob, mask, actions):
        assert torch.allclose(row[present], action.log_probs, atol=1e-6)
    one, _ = policy.log_prob(prompts[1:2], actions[1:2])
    assert torch.allclose(one[0], log_prob[1, : one.shape[1]], atol=1e-6)


def test_the_outcome_of_the_last_turn_is_seen():
    policy = stirred()
    action = Action((1, 0, 0, 0), torch.zeros(4))
    wrong = Prompt(Softmax).after(None, Outcome("check"))
    right = Prompt(Softmax).after(None, Outcome("right", True, True, 3.0))
    found = [policy.log_prob([p], [action])[0] for p in (Prompt(Softmax), wrong, right)]
    assert not torch.allclose(found[0], found[1])
    assert not torch.allclose(found[1], found[2])


@pytest.mark.parametrize("problem", [LayerNorm, Linear], ids=lambda p: p.name)
def test_the_grammar_of_schedules_writes_programs(problem):
    grammar = ScheduleGrammar(size="small")
    policy = SchedulePolicy(grammar)
    prompts = [Prompt(problem)] * 4
    written = 0
    for action in policy.sample(prompts, torch.Generator().manual_seed(0)):
        try:
            candidate = policy.candidate(prompts[0], action)
        except ValueError:
            continue  # a kernel that cannot be cut so
        written += 1
        ast.parse(candidate.source)
        schedule = grammar.schedule(problem, action.tokens)
        assert Schedule.read(schedule.json()) == schedule
        assert candidate == emit(traced(problem), schedule, size="small")
    assert written >= 2


def test_an_action_that_is_too_long_is_refused():
    policy = SchedulePolicy(FourFields())
    with pytest.raises(ValueError, match="more choices"):
        policy.log_prob([Prompt(Softmax)], [Action((0, 0, 0, 0), torch.zeros(4))])
    with pytest.raises(ValueError, match="log_probs must have one entry"):
        Action((0, 1), torch.zeros(3))
    assert VALUES["form"][0] == "whole"


class Bytes:
    """A tokenizer of bytes; 0 ends a text."""

    eos_token_id = 0

    def encode(self, text):
        """Return the last 40 bytes of a text."""
        return [*text.encode()[-40:]]

    def decode(self, tokens):
        """Return the text of tokens."""
        return bytes(t for t in tokens if t).decode(errors="replace")


@pytest.fixture(scope="module")
def language():
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=256,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        initializer_range=0.5,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.LlamaForCausalLM(config).eval()
    return LanguagePolicy(model, Bytes(), new_tokens=6, temperature=0.8)


def test_a_language_models_probabilities_are_its_samplers(language):
    prompts = [Prompt(Softmax), Prompt(Linear, "cuda").after(None, Outcome("check", feedback="x"))]
    assert len(prompts[0].text) != len(prompts[1].text)
    actions = language.sample(prompts, torch.Generator().manual_seed(0))
    log_prob, mask = language.log_prob(prompts, actions)
    assert mask.sum(-1).tolist() == [len(a.tokens) for a in actions]
    for row, present, action in zip(log_prob, mask, actions):
        assert torch.allclose(row[present], action.log_probs, atol=1e-4)


def test_a_language_models_probabilities_are_the_models_own(language):
    prompt, tokens = Prompt(Softmax), (70, 71, 0)
    found, _ = language.log_prob([prompt], [Action(tokens, torch.zeros(3))])
    text = Bytes().encode(prompt.text)
    for k, token in enumerate(tokens):
        ids = torch.tensor([[*text, *tokens[:k]]])
        wanted = (language.model(ids).logits[0, -1] / 0.8).log_softmax(-1)[token]
        assert abs(float((found[0, k] - wanted).detach())) < 1e-4


def test_prompts_of_different_lengths_do_not_disturb_each_other(language):
    class Whole(Bytes):
        def encode(self, text):
            return [*text.encode()[-len(text) // 20 :]]

    policy = LanguagePolicy(language.model, Whole(), new_tokens=4)
    prompts = [Prompt(Softmax), Prompt(Linear)]
    assert len(Whole().encode(prompts[0].text)) != len(Whole().encode(prompts[1].text))
    actions = policy.sample(prompts, torch.Generator().manual_seed(1))
    for prompt, action in zip(prompts, actions):
        alone, _ = policy.log_prob([prompt], [action])
        assert torch.allclose(alone[0], action.log_probs, atol=1e-4)


def test_an_answer_ends_with_the_end_token(language):
    def drawn(policy):
        return policy.sample([Prompt(Softmax)] * 5, torch.Generator().manual_seed(0))

    free = [a.tokens for a in drawn(language)]
    ending = Bytes()
    ending.eos_token_id = free[0][2]
    ended = drawn(LanguagePolicy(language.model, ending, new_tokens=6, temperature=0.8))
    assert len(ended[0].tokens) <= 3
    for before, action in zip(free, ended):
        end = before.index(free[0][2]) + 1 if free[0][2] in before else len(before)
        assert action.tokens == before[:end]


def test_the_last_fenced_block_is_the_program(language):
    text = "first\n```python\nx = 1\n```\nthen\n```python\nimport torch\n```\n"
    action = Action(tuple(text.encode()), torch.zeros(len(text.encode())))
    assert language.candidate(Prompt(Softmax), action).source == "import torch\n"
    with pytest.raises(ValueError, match="no fenced block"):
        language.candidate(Prompt(Softmax), Action((70,), torch.zeros(1)))
