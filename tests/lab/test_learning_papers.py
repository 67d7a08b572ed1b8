"""The papers' cards and the parts of their runs that are exact."""

from __future__ import annotations

import torch

from mercer.lab import Candidate
from mercer.lab.learning import KernelRule, Tree
from mercer.lab.problems import find
from mercer.papers.check import check
from mercer.papers.lab import autotriton, dr_kernel


def test_the_cards_are_complete():
    check("dr-kernel")
    check("autotriton")


def test_texts_of_the_menu_are_what_they_are_called():
    assert autotriton._caught() == 1.0
    problem = find("softmax")
    reasons = [
        KernelRule()(problem, Candidate(*autotriton._text({"program": p}))).reason
        for p in autotriton.PROGRAMS[1:]
    ]
    assert "no kernel in triton" in reasons[0]
    assert "launches no kernel" in reasons[1]
    assert "left to PyTorch" in reasons[2]


def test_the_two_ascents_part():
    assert dr_kernel._ascent("leave-one-out")[-1] > 1.45
    assert dr_kernel._ascent("centred")[-1] < 1.01


def test_the_bias_of_a_turn_is_measured_where_groups_thin_out():
    whole = Tree([[1, 1], [2, 2], [-1, -1]], [[0.0, 1.0], [0.5, -0.2], [1.0, 2.0]])
    thin = Tree([[-1, 1], [-1, 2], [-1, -1]], [[0.0, 1.0], [0.5, -0.2], [1.0, 2.0]])
    theta = torch.zeros(3, 2, dtype=torch.float64)
    assert dr_kernel._turns(thin, theta).measured > 1.5
    full = dr_kernel._turns(whole, theta)
    assert abs(full.measured - 1) < 1e-12
    assert not full.holds
