"""Advantages: what the theory says of their bias, by enumeration of all groups."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from mercer.lab.learning import (
    Tree,
    centred,
    group_relative,
    leave_one_out,
    reward_to_go,
    self_inclusion,
)

BANDIT = Tree([[-1, -1, -1]], [[1.0, 0.3, -0.4]])
# Stop or go on, three times over.
DEEP = Tree([[-1, 1], [2, -1], [-1, -1]], [[0.5, 0.1], [1.0, -0.3], [2.0, 0.7]])
SIZES = range(2, 9)


def logits(tree, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tree.rewards.shape, generator=generator, dtype=torch.float64)


def true_gradient(tree, theta, discount=1.0):
    """The gradient of the expected return by backpropagation through all trajectories."""
    theta = theta.clone().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    waiting = [(0, torch.ones((), dtype=torch.float64), 0)]
    while waiting:
        state, probability, turn = waiting.pop()
        chance = theta[state].softmax(-1)
        for action, after in enumerate(tree.next_state[state]):
            p = probability * chance[action]
            total = total + p * discount**turn * tree.rewards[state, action]
            if after != -1:
                waiting.append((after, p, turn + 1))
    return torch.autograd.grad(total, theta)[0]


def test_reward_to_go_is_the_sum_it_stands_for():
    rewards = torch.tensor([[1.0, -2.0, 3.0, 0.5]], dtype=torch.float64)
    wanted = [sum(0.7 ** (k - t) * rewards[0, k] for k in range(t, 4)) for t in range(4)]
    assert torch.allclose(reward_to_go(rewards, 0.7)[0], torch.stack(wanted))


def test_leave_one_out_is_written_out_by_hand():
    returns = torch.tensor([[3.0, 5.0], [1.0, 2.0], [8.0, 0.0]], dtype=torch.float64)
    alive = torch.tensor([[True, True], [True, True], [True, False]])
    wanted = [[3 - 4.5, 5 - 2.0], [1 - 5.5, 2 - 5.0], [8 - 2.0, 0.0]]
    assert torch.allclose(leave_one_out(returns, alive), torch.tensor(wanted).double())


def test_group_relative_divides_by_the_deviation_of_a_sample():
    returns = torch.tensor([[3.0], [1.0], [8.0]], dtype=torch.float64)
    wanted = (returns - returns.mean()) / returns.std()
    assert torch.allclose(group_relative(returns, epsilon=1e-12), wanted)


def test_a_trajectory_alone_in_its_turn_keeps_its_return():
    returns = torch.tensor([[2.0, 7.0], [1.0, 0.0]])
    alive = torch.tensor([[True, True], [True, False]])
    assert leave_one_out(returns, alive)[0, 1] == 7
    assert centred(returns, alive)[0, 1] == 0


@pytest.mark.parametrize("tree", [BANDIT, DEEP], ids=["one turn", "three turns"])
@pytest.mark.parametrize("group", SIZES)
def test_leave_one_out_is_unbiased_in_every_turn(tree, group):
    theta = logits(tree)
    found = tree.moments(theta, leave_one_out, group).mean
    assert (found - true_gradient(tree, theta)).abs().max() < 1e-12


@pytest.mark.parametrize("group", [2, 5])
def test_leave_one_out_is_unbiased_with_a_discount(group):
    theta = logits(DEEP, 1)
    found = DEEP.moments(theta, leave_one_out, group, discount=0.6).mean
    assert (found - true_gradient(DEEP, theta, 0.6)).abs().max() < 1e-12


@pytest.mark.parametrize("group", SIZES)
def test_self_inclusion_shrinks_the_gradient_of_a_turn_by_one_over_the_group(group):
    theta = logits(BANDIT)
    found = BANDIT.moments(theta, centred, group).mean
    wanted = (1 - 1 / group) * true_gradient(BANDIT, theta)
    assert (found - wanted).abs().max() < 1e-12


@pytest.mark.parametrize("group", SIZES)
def test_self_inclusion_shrinks_thin_turns_more(group):
    theta = logits(DEEP)
    found = DEEP.moments(theta, centred, group).mean
    factors = [self_inclusion(float(p), group) for p in DEEP.survival(theta)]
    wanted = sum(c * g for c, g in zip(factors, DEEP.turn_gradients(theta)))
    assert (found - wanted).abs().max() < 1e-12
    assert factors[0] > factors[1] > factors[2]


def test_self_inclusion_turns_the_gradient_where_groups_thin_out():
    theta = logits(DEEP)
    found = DEEP.moments(theta, centred, 2).mean.flatten()
    true = true_gradient(DEEP, theta).flatten()
    cosine = torch.nn.functional.cosine_similarity(found, true, dim=0)
    assert cosine < 1 - 1e-4


def test_dividing_by_the_deviation_is_biased_however_it_is_scaled():
    theta = logits(DEEP)
    found = DEEP.moments(theta, group_relative, 4).mean.flatten()
    true = true_gradient(DEEP, theta).flatten()
    rest = found - true * (found @ true) / (true @ true)
    assert rest.norm() > 1e-2 * found.norm()


def test_an_advantage_of_nothing_for_the_lonely_would_be_biased():
    def silent(returns, alive):
        alone = alive & (alive.sum(-2, keepdim=True) == 1)
        return leave_one_out(returns, alive).masked_fill(alone, 0.0)

    theta = logits(DEEP)
    found = DEEP.moments(theta, silent, 3).mean
    assert (found - true_gradient(DEEP, theta)).abs().max() > 1e-3


def test_self_inclusion_is_the_expectation_over_the_binomial_group():
    for p, n in ((0.3, 5), (0.9, 8)):
        chance = [math.comb(n - 1, m) * p**m * (1 - p) ** (n - 1 - m) for m in range(n)]
        wanted = 1 - sum(c / (1 + m) for m, c in enumerate(chance))
        assert abs(self_inclusion(p, n) - wanted) < 1e-14


def test_moments_are_those_of_all_ordered_groups():
    theta = logits(DEEP, 2)
    probability = DEEP.probabilities(theta)
    returns, scores = reward_to_go(DEEP.collected), DEEP.scores(theta)
    mean, square = torch.zeros_like(theta), 0.0
    for members in itertools.product(range(len(DEEP.trajectories)), repeat=2):
        k = list(members)
        advantages = leave_one_out(returns[k], DEEP.alive[k])
        estimate = torch.einsum("nt,ntsa->sa", advantages, scores[k]) / 2
        p = probability[k].prod()
        mean, square = mean + p * estimate, square + p * estimate.square().sum()
    found = DEEP.moments(theta, leave_one_out, 2)
    assert torch.allclose(found.mean, mean, atol=1e-14)
    assert abs(found.variance - float(square - mean.square().sum())) < 1e-12


def test_scores_are_the_gradients_of_log_probabilities():
    theta = logits(DEEP, 3)
    found = DEEP.scores(theta)
    for k, trajectory in enumerate(DEEP.trajectories):
        for t, (state, action) in enumerate(trajectory):
            leaf = theta.clone().requires_grad_()
            wanted = torch.autograd.grad(leaf.log_softmax(-1)[state, action], leaf)[0]
            assert torch.allclose(found[k, t], wanted)


def test_a_baseline_lowers_the_variance_and_larger_groups_more():
    theta = logits(DEEP)
    plain = DEEP.moments(theta, lambda r, a: (r + 3.0) * a, 4).variance
    assert DEEP.moments(theta, leave_one_out, 4).variance < plain
    assert (
        DEEP.moments(theta, leave_one_out, 6).variance
        < DEEP.moments(theta, leave_one_out, 4).variance
    )


def test_what_is_not_a_group_is_refused():
    with pytest.raises(ValueError, match="returns must be"):
        leave_one_out(torch.ones(3))
    with pytest.raises(ValueError, match="alive must be bool"):
        leave_one_out(torch.ones(3, 1), torch.ones(3, 1))
    with pytest.raises(ValueError, match="NaN"):
        centred(torch.tensor([[math.nan], [1.0]]))
    with pytest.raises(ValueError, match="discount must be"):
        reward_to_go(torch.ones(3), 1.5)
    with pytest.raises(ValueError, match="later state"):
        Tree([[0, -1]], [[1.0, 2.0]])
