from dataclasses import replace

import pytest

from mercer.lab.evaluator import Evaluator
from mercer.lab.problems import find
from tests.lab.test_race import FAST, HONEST, SLOW, candidate

QUICK = {"baseline": "eager", "size": "small", "rounds": 5, "block": 0.005, "machine": FAST}


@pytest.fixture(scope="module")
def evaluate(pool):
    with Evaluator(find("softmax"), pool=pool, timeout=20, **QUICK) as evaluate:
        yield evaluate


def test_right_candidates_are_timed_against_the_baseline(evaluate):
    honest, slow = evaluate(HONEST), evaluate(SLOW)
    assert honest.verdict.right
    assert honest.failure == slow.failure == ""
    assert slow.seconds > 2e-3
    assert slow.fitness < honest.fitness


def test_wrong_candidates_are_not_timed(evaluate):
    wrong = evaluate(candidate("return x", "wrong"))
    assert not wrong.verdict.right
    assert wrong.seconds is None
    assert wrong.fitness is None


def test_what_fails_under_the_clock_is_said_and_the_next_one_is_timed(evaluate):
    # Only under the clock do inputs begin inside of a longer storage.
    body = "if x.storage_offset(): raise ArithmeticError('enough')\nreturn self.right(x)"
    late = evaluate(candidate(body, "late"))
    assert late.verdict.right
    assert late.failure == "timing"
    assert "enough" in late.error
    assert evaluate(HONEST).failure == ""


def test_a_baseline_at_its_limit_is_made_anew(pool, monkeypatch):
    monkeypatch.setattr(pool, "limits", replace(pool.limits, cpu_seconds=2))
    quick = {**QUICK, "block": 0.15, "rounds": 7}
    with Evaluator(find("softmax"), pool=pool, **quick) as evaluate:
        # Two of these take the baseline beyond two seconds of CPU time.
        found = [evaluate(HONEST) for _ in range(2)]
    assert [f.failure for f in found] == ["", ""]


def test_a_baseline_that_cannot_run_is_an_error_of_the_caller(pool):
    broken = find("softmax")
    with Evaluator(broken, pool=pool, **QUICK) as evaluate:
        evaluate.candidate = candidate("raise RuntimeError('no')", "broken")
        with pytest.raises(RuntimeError, match="cannot run softmax"):
            evaluate(HONEST)
