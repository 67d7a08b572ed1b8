"""Mismatch correction: bias and variance against enumeration of all sequences."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from mercer.lab.learning import REJECTION, Mismatch

LENGTH, ACTIONS = 3, 3
generator = torch.Generator().manual_seed(0)
TRAINER = torch.randn(LENGTH, ACTIONS, generator=generator, dtype=torch.float64)
SAMPLER = TRAINER + 0.4 * torch.randn(LENGTH, ACTIONS, generator=generator, dtype=torch.float64)
GAIN = torch.randn(ACTIONS**LENGTH, generator=generator, dtype=torch.float64)
SEQUENCES = torch.tensor(list(itertools.product(range(ACTIONS), repeat=LENGTH)))  # [K, L]
PLACES = torch.arange(LENGTH)


def log_probs(logits):
    return logits.log_softmax(-1)[PLACES, SEQUENCES]  # [K, L]


def estimates(weights):
    """Weighted score times gain of every sequence: [K, L, A]."""
    taken = torch.nn.functional.one_hot(SEQUENCES, ACTIONS).double()
    score = taken - TRAINER.softmax(-1)
    return weights[..., None] * score * GAIN[:, None, None]


def moments(mismatch):
    """Mean and second moment under the sampler."""
    each = estimates(mismatch(log_probs(TRAINER), log_probs(SAMPLER)))
    chance = log_probs(SAMPLER).sum(-1).exp()
    mean = torch.einsum("k,kla->la", chance, each)
    return mean, float(chance @ each.square().sum((-1, -2)))


def true_gradient():
    leaf = TRAINER.clone().requires_grad_()
    value = leaf.log_softmax(-1)[PLACES, SEQUENCES].sum(-1).exp() @ GAIN
    return torch.autograd.grad(value, leaf)[0]


def test_the_ratio_of_the_sequence_is_unbiased():
    mean, _ = moments(Mismatch("sequence"))
    assert (mean - true_gradient()).abs().max() < 1e-12


def test_no_correction_and_ratios_of_tokens_are_biased():
    for mismatch in (Mismatch("token"), Mismatch("geometric", weighted=False)):
        mean, _ = moments(mismatch)
        assert (mean - true_gradient()).abs().max() > 1e-3


@pytest.mark.parametrize("most", [0.8, 1.1, 1.4])
def test_truncation_has_the_bias_that_the_theory_gives(most):
    mean, _ = moments(Mismatch("sequence", truncate=most))
    ratio = (log_probs(TRAINER) - log_probs(SAMPLER)).sum(-1).exp()
    beyond = (ratio - most).clamp(min=0)
    chance = log_probs(SAMPLER).sum(-1).exp()
    bias = -torch.einsum(
        "k,kla->la", chance * beyond, estimates(torch.ones_like(log_probs(TRAINER)))
    )
    assert (mean - true_gradient() - bias).abs().max() < 1e-12
    assert bias.abs().max() > 0


def test_truncation_trades_bias_for_variance():
    bias, second = [], []
    for most in (0.8, 1.2, 1.8, math.inf):
        mean, square = moments(Mismatch("sequence", truncate=most))
        bias.append(float((mean - true_gradient()).norm()))
        second.append(square)
    assert bias == sorted(bias, reverse=True)
    assert second == sorted(second)
    assert bias[-1] < 1e-12


@pytest.mark.parametrize("level", ["sequence", "geometric"])
def test_a_mask_keeps_the_sequences_inside_of_it(level):
    low, high = 0.9, 1.2
    mean, _ = moments(Mismatch(level, weighted=False, keep=(low, high)))
    total = (log_probs(TRAINER) - log_probs(SAMPLER)).sum(-1)
    ratio = (total / (LENGTH if level == "geometric" else 1)).exp()
    kept = ((ratio >= low) & (ratio <= high)).double()
    assert 0 < kept.sum() < len(kept)
    chance = log_probs(SAMPLER).sum(-1).exp()
    each = estimates(torch.ones_like(log_probs(TRAINER)))
    assert torch.allclose(mean, torch.einsum("k,kla->la", chance * kept, each), atol=1e-13)


def test_masked_weights_of_sequences_estimate_the_part_that_is_kept():
    low, high = 0.7, 1.3
    mean, _ = moments(Mismatch("sequence", keep=(low, high)))
    ratio = (log_probs(TRAINER) - log_probs(SAMPLER)).sum(-1).exp()
    kept = ((ratio >= low) & (ratio <= high)).double()
    chance = log_probs(TRAINER).sum(-1).exp()
    each = estimates(torch.ones_like(log_probs(TRAINER)))
    assert torch.allclose(mean, torch.einsum("k,kla->la", chance * kept, each), atol=1e-13)


def test_a_vetoed_token_takes_its_sequence_with_it():
    trainer = torch.tensor([[-1.0, -20.0], [-1.0, -1.0]])
    sampler = torch.tensor([[-1.0, -1.0], [-1.0, -1.0]])
    assert Mismatch("token", weighted=False, veto=1e-4)(trainer, sampler).tolist() == [
        [0, 0],
        [1, 1],
    ]


def test_what_is_masked_does_not_count():
    trainer = torch.tensor([[-1.0, -2.0, 0.0]], requires_grad=True)
    sampler = torch.tensor([[-1.5, -2.0, 9.0]])
    mask = torch.tensor([[True, True, False]])
    weights = Mismatch("sequence")(trainer, sampler, mask)
    assert torch.allclose(weights, torch.tensor([[math.exp(0.5), math.exp(0.5), 0.0]]))
    assert not weights.requires_grad
    assert torch.allclose(
        Mismatch("geometric", weighted=False, keep=(1.2, 1.3))(trainer, sampler, mask),
        torch.tensor([[1.0, 1.0, 0.0]]),
    )  # exp(0.25) = 1.284: the mean over two tokens, not three


def test_the_published_rejection_lets_rounding_pass():
    trainer = torch.full((2, 100), -1.0)
    sampler = trainer + torch.tensor([[1e-4], [1e-2]])
    assert REJECTION(trainer, sampler)[:, 0].tolist() == [1, 0]


def test_meaningless_corrections_are_refused():
    with pytest.raises(ValueError, match="level must be one of"):
        Mismatch("word")
    with pytest.raises(ValueError, match="weighted=False"):
        Mismatch("geometric")
    with pytest.raises(ValueError, match="truncate must be positive"):
        Mismatch(truncate=0.0)
    with pytest.raises(ValueError, match="keep must be an interval"):
        Mismatch(keep=(2.0, 1.0))


def test_the_veto_looks_at_single_tokens():
    trainer, sampler = torch.tensor([[-4.0, -1.0], [-2.0, -1.0]]), torch.tensor([[-1.0, -4.0]] * 2)
    weight = Mismatch("geometric", weighted=False, veto=0.1)(trainer, sampler)
    assert weight.tolist() == [[0.0, 0.0], [1.0, 1.0]]  # the least ratios: exp(-3), exp(-1)
