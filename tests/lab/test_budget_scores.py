import itertools
import math

import numpy as np
import pytest

from mercer.lab.budget.best_of import budget_splits, expected_best
from mercer.lab.budget.score import normalised_score


@pytest.mark.parametrize("k", [1, 2, 3, 6, 7])
def test_expected_best_is_the_mean_over_all_subsets(k):
    scores = np.random.default_rng(0).normal(size=7).tolist()
    subsets = [max(chosen) for chosen in itertools.combinations(scores, k)]
    assert expected_best(scores, k) == pytest.approx(np.mean(subsets), abs=1e-14)


def test_expected_best_counts_ties_once_each():
    assert expected_best([1.0, 1.0, 0.0], 2) == pytest.approx(1.0)


@pytest.mark.parametrize(("scores", "k"), [([1.0], 2), ([1.0], 0), ([], 1)])
def test_expected_best_refuses(scores, k):
    with pytest.raises(ValueError, match="between 1 and the number of runs"):
        expected_best(scores, k)


def test_scores_are_anchored_at_start_and_reference():
    score = [normalised_score(s, start=8.0, reference=2.0) for s in (8, 4, 2, 1, 16, math.inf)]
    assert score == pytest.approx([0, 0.5, 1, 1.5, 0, 0])


@pytest.mark.parametrize("arguments", [(1.0, 1.0, 2.0), (1.0, math.inf, 2.0), (0.0, 2.0, 1.0)])
def test_scores_refuse(arguments):
    seconds, start, reference = arguments
    with pytest.raises(ValueError, match="must be"):
        normalised_score(seconds, start=start, reference=reference)


def test_splits_fill_the_budget():
    runs = {600.0: [0.1, 0.3, 0.2, 0.0], 1200.0: [0.4, 0.2], 2400.0: [0.5], 4800.0: [2.0]}
    splits = budget_splits(runs, total=2400.0)
    assert splits == {
        600.0: (4, pytest.approx(0.3)),
        1200.0: (2, pytest.approx(0.4)),
        2400.0: (1, pytest.approx(0.5)),
    }


def test_splits_need_enough_runs():
    assert budget_splits({1.0: [0.5, 0.6]}, total=3.0) == {}


def test_a_run_that_does_not_fit_whole_is_left_out():
    assert budget_splits({2.0: [0.25, 0.75]}, total=3.8) == {2.0: (1, 0.5)}
