"""Training: the objectives, the loop, its memory, and the environment that it runs in."""

from __future__ import annotations

import copy
import itertools
import json

import pytest
import torch

from mercer.lab.learning import (
    REJECTION,
    Environment,
    Immediate,
    LanguagePolicy,
    Mismatch,
    Outcome,
    ProfilingRejection,
    Prompt,
    Recipe,
    Reward,
    SchedulePolicy,
    Trainer,
    Tree,
    centred,
    leave_one_out,
)
from mercer.lab.learning.loss import divergence, surrogate
from mercer.lab.learning.policy import Action
from mercer.lab.learning.trajectory import group_tensors
from tests.lab.learning_worlds import BEST, FourFields, chosen, examine, world
from tests.lab.small_problems import Softmax

SPEED = Reward(right=0.5, speedup=1.0, clip=(0.0, 8.0))


def trainer(recipe, *, policy=None, turns=1, seed=0, workers=None, reward=SPEED, **options):
    """A trainer in the world of four fields."""
    environment = Environment(workers or world(), reward, turns=turns, enough=8.0)
    policy = policy or SchedulePolicy(FourFields(), width=16, seed=seed)
    return Trainer(policy, environment, [Softmax], recipe, seed=seed, progress=False, **options)


def test_the_surrogate_is_clipped_where_it_would_gain():
    old = torch.zeros(4, 1)
    ratio = torch.tensor([[1.5], [0.5], [1.5], [0.5]])
    advantage = torch.tensor([1.0, 1.0, -1.0, -1.0])
    found = surrogate(ratio.log(), old, advantage, torch.ones(4, 1), (0.2, 0.28))
    assert torch.allclose(found, torch.tensor([1.28, 0.5, -1.5, -0.8]))
    free = surrogate(ratio.log(), old, advantage, torch.ones(4, 1), None)
    assert torch.allclose(free, ratio[:, 0] * advantage)


def test_the_first_gradient_of_the_surrogate_is_that_of_reinforce():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    log_prob = logits.log_softmax(-1)[:, :1]
    advantage = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])
    weight = torch.tensor([[1.0], [0.5], [1.0], [1.0], [0.0]])
    loss = surrogate(log_prob, log_prob.detach(), advantage, weight).sum()
    found = torch.autograd.grad(loss, logits, retain_graph=True)[0]
    wanted = torch.autograd.grad((weight[:, 0] * advantage * log_prob[:, 0]).sum(), logits)[0]
    assert torch.allclose(found, wanted)


def test_the_divergence_is_unbiased_by_enumeration_and_never_negative():
    generator = torch.Generator().manual_seed(0)
    p, q = torch.randn(2, 6, generator=generator, dtype=torch.float64).log_softmax(-1)
    each = divergence(p[:, None], q[:, None], torch.ones(6, 1, dtype=torch.bool))
    assert (each >= 0).all()
    assert abs(float(p.exp() @ each - p.exp() @ (p - q))) < 1e-12


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe.trloo(group=12, learning_rate=0.05),
        pytest.param(Recipe.grpo(group=12, learning_rate=0.05), marks=pytest.mark.slow),
        Recipe(group=12, learning_rate=0.05, mismatch=REJECTION),
        pytest.param(
            Recipe(group=12, learning_rate=0.05, rejection=ProfilingRejection()),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["trloo", "grpo", "mismatch rejection", "profiling rejection"],
)
def test_the_best_schedule_is_found(recipe):
    training = trainer(recipe)
    history = training.fit(45)
    drawn = training.policy.sample([Prompt(Softmax)] * 50, torch.Generator().manual_seed(9))
    best = [{k: v for k, v in BEST.items() if k != "rows"} == chosen(a) for a in drawn]
    assert sum(best) >= 45
    assert history[0]["speedup"] < 3
    assert history[-1]["right"] > 0.9
    assert history[-1]["executions"] <= 45 * 12


def test_two_turns_learn_too_and_end_where_it_is_enough():
    training = trainer(Recipe.trloo(group=12, learning_rate=0.05), turns=2)
    history = training.fit(35)
    assert history[-1]["reward"] > history[0]["reward"] + 2
    groups = training.environment.rollout(
        training.policy, [Softmax], 12, torch.Generator().manual_seed(0)
    )
    lengths = {len(t) for t in groups[0]}
    assert 1 in lengths
    for trajectory in groups[0]:
        fast = trajectory[0].outcome.right and trajectory[0].outcome.speedup >= 8
        assert len(trajectory) == (1 if fast else 2)


def test_self_inclusion_learns_the_wrong_thing_where_turns_share_parameters():
    """Stop for 1, or go on and then stop for 0 or go on for 1.5, by the same two logits.

    The value is 1 - p + 1.5 p^2 in the probability p of going on: from p = 0.4 it rises towards
    p = 1. Self-inclusion gives the second turn, which is rarer, too little weight.
    """
    tree = Tree([[-1, 1], [-1, -1]], [[1.0, 0.0], [0.0, 1.5]])

    def learnt(advantage):
        theta = torch.tensor([0.6, 0.4], dtype=torch.float64).log()
        for _ in range(500):
            theta = theta + 2.0 * tree.moments(theta.expand(2, 2), advantage, 2).mean.sum(0)
        return float(tree.value(theta.expand(2, 2)))

    assert learnt(leave_one_out) > 1.45
    assert learnt(centred) < 1.01


def test_a_sampler_of_another_precision_is_corrected():
    """With the ratio of the sequence the gradient is that of the trainer's own samples."""
    target = SchedulePolicy(FourFields(), width=8)
    other = copy.deepcopy(target)
    with torch.no_grad():
        other.bias[0, 0] += 2.0
    recipe = Recipe(group=1000, mismatch=Mismatch("sequence"), learning_rate=1e-9)
    plain = Recipe(group=1000, learning_rate=1e-9)
    gradients = []
    for sampler, r in ((target, plain), (other, recipe), (other, plain)):
        training = trainer(r, policy=copy.deepcopy(target), sampler=sampler)
        training.step()
        gradients.append(training.policy.bias.grad.flatten().clone())
    exact, corrected, biased = (g / g.norm() for g in gradients)
    assert exact @ corrected > 0.98
    assert exact @ biased < exact @ corrected - 0.01


def test_training_goes_on_where_it_stopped(tmp_path):
    recipe = Recipe.grpo(group=6, learning_rate=0.02, divergence=0.1)
    whole = trainer(recipe)
    whole.fit(6)
    path = tmp_path / "state.safetensors"
    trainer(recipe, checkpoint=path).fit(3)
    rest = trainer(recipe, checkpoint=path)
    assert len(rest.history) == 3
    rest.fit(6)
    assert rest.history == whole.history
    for a, b in zip(whole.policy.parameters(), rest.policy.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("at", [30, 37])
def test_an_interruption_leaves_the_state_of_the_last_full_step(tmp_path, at):
    calls = 0

    def interrupted(problem, candidate):
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        return examine(problem, candidate)

    recipe = Recipe(group=8, learning_rate=0.02)
    path = tmp_path / "state.safetensors"
    first = trainer(recipe, checkpoint=path, workers=Immediate(interrupted))
    with pytest.raises(KeyboardInterrupt):
        first.fit(20)
    done = len(first.history)
    assert 2 <= done < 20
    rest = trainer(recipe, checkpoint=path)
    assert len(rest.history) == done
    rest.fit(done + 2)
    whole = trainer(recipe)
    whole.fit(done + 2)
    assert rest.history == whole.history
    for a, b in zip(whole.policy.parameters(), rest.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_file_of_another_recipe_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    trainer(Recipe(group=4), checkpoint=path).fit(1)
    with pytest.raises(ValueError, match="other data or parameters"):
        trainer(Recipe(group=5), checkpoint=path)


def test_what_the_device_is_to_blame_for_teaches_nothing():
    lost = Outcome("lost", blame="device", attempts=2)
    training = trainer(Recipe(group=4), workers=Immediate(lambda p, c: lost), reward=lambda o: 1e3)
    groups = training.environment.rollout(
        training.policy, [Softmax], 4, torch.Generator().manual_seed(0)
    )
    turns = [turn for group in groups for trajectory in group for turn in trajectory]
    log_prob, mask = training.policy.log_prob([t.prompt for t in turns], [t.action for t in turns])
    blamed = torch.tensor([t.outcome.blame == "device" for t in turns])
    weight = training._weights(turns, log_prob.detach(), mask)
    assert blamed.any()
    assert not weight[blamed].any()
    assert torch.equal(weight[~blamed] > 0, mask[~blamed])


def test_every_turn_is_kept_and_told_in_the_next_prompt(tmp_path):
    path = tmp_path / "turns.jsonl"
    environment = Environment(world(), SPEED, turns=3, ledger=path)
    policy = SchedulePolicy(FourFields())
    groups = environment.rollout(policy, [Softmax], 3, torch.Generator().manual_seed(0))
    assert [len(t) for t in groups[0]] == [3, 3, 3]
    kept = environment.ledger.read()
    assert len(kept) == 9
    assert [r["turn"] for r in kept] == [0] * 3 + [1] * 3 + [2] * 3
    assert {r["member"] for r in kept} == {0, 1, 2}
    assert environment.executions == sum(r["outcome"]["attempts"] > 0 for r in kept)
    for trajectory in groups[0]:
        for before, after in itertools.pairwise(trajectory):
            assert before.outcome.feedback in after.prompt.text
            if before.candidate is not None:
                assert before.candidate.source in after.prompt.text
            assert before.prompt.text in after.prompt.text
    with path.open("a") as file:
        file.write('{"cut off": ')
    assert len(environment.ledger.read()) == 9
    assert json.loads(path.read_text().splitlines()[0])["problem"] == "softmax"


def test_a_trajectory_that_is_done_rests_at_its_last_reward():
    environment = Environment(world(), SPEED, turns=3, enough=4.0)
    policy = SchedulePolicy(FourFields())
    group = environment.rollout(policy, [Softmax], 30, torch.Generator().manual_seed(0))[0]
    rewards, alive = group_tensors(group, 3)
    early = [i for i, trajectory in enumerate(group) if len(trajectory) < 3]
    assert early
    for i, trajectory in enumerate(group):
        told = [turn.reward for turn in trajectory]
        assert rewards[i].tolist() == told + told[-1:] * (3 - len(told))
        assert alive[i].tolist() == [k < len(told) for k in range(3)]
        done = [turn.outcome.right and turn.outcome.speedup >= 4 for turn in trajectory]
        assert not any(done[:-1])
        assert done[-1] or len(trajectory) == 3


def test_the_same_seed_gives_the_same_training():
    first, second, other = (trainer(Recipe(group=4), seed=s) for s in (1, 1, 2))
    assert first.fit(3) == second.fit(3)
    assert first.history != other.fit(3)


@pytest.mark.slow
def test_a_language_model_learns_by_the_same_loop():
    transformers = pytest.importorskip("transformers")

    class Letters:
        eos_token_id = None

        def encode(self, text):
            return [1, 2, 3]

        def decode(self, tokens):
            return "```python\n" + "".join("abcd"[t] for t in tokens) + "\n```"

    config = transformers.LlamaConfig(
        vocab_size=4,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        policy = LanguagePolicy(transformers.LlamaForCausalLM(config), Letters(), new_tokens=2)

    def count(problem, candidate):
        found = candidate.source.count("b")
        return Outcome("right", True, True, 1.0 + found)

    environment = Environment(Immediate(count), Reward(right=0.0))
    recipe = Recipe.grpo(group=12, learning_rate=0.1)
    history = Trainer(policy, environment, [Softmax], recipe, progress=False).fit(12)
    assert history[0]["speedup"] < 2.0
    assert history[-1]["speedup"] > 2.5


def test_recipes_that_cannot_be_are_refused():
    for wrong, told in (
        ({"advantage": "gae"}, "advantage must be one of"),
        ({"group": 1}, "group must be at least 2"),
        ({"clip": (1.2, 0.2)}, "clip must be"),
        ({"divergence": -1.0}, "divergence must be"),
    ):
        with pytest.raises(ValueError, match=told):
            Recipe(**wrong)
    with pytest.raises(ValueError, match="problems must have"):
        Trainer(SchedulePolicy(FourFields()), Environment(world(), SPEED), [])
    assert Action((1,), torch.zeros(1)).tokens == (1,)


def test_the_divergence_is_from_the_policy_at_the_start_and_holds_it_there():
    def divergences(weight):
        training = trainer(Recipe(group=4, learning_rate=0.05, divergence=weight, epochs=1))
        return [step["divergence"] for step in training.fit(8)]

    free, held = divergences(1e-9), divergences(20.0)
    assert free[0] == 0 < free[1]
    assert held[-1] < free[-1] / 2
