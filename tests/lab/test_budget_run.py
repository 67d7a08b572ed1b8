import math
from types import SimpleNamespace

import pytest

from mercer.lab import Candidate
from mercer.lab.budget import run_agent


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def scripted(clock, thinking, results):
    """An agent that thinks and a judge that measures, both by a script of (seconds, outcome)."""
    plan = iter(results)

    def agent(history, left):
        clock.now += thinking
        return Candidate(f"# {len(history)}\nclass ModelNew: ...", "torch")

    def evaluate(candidate):
        spent, right, seconds = next(plan)
        clock.now += spent
        return SimpleNamespace(right=right, seconds=seconds, reason="" if right else "wrong")

    return agent, evaluate


def test_best_right_attempt_within_the_budget_counts():
    clock = Clock()
    results = [(2, True, 4.0), (2, False, 0.1), (2, True, 2.0), (2, True, 1.0)]
    agent, evaluate = scripted(clock, 1.0, results)
    run = run_agent(agent, evaluate, budget=10.0, start=8.0, reference=2.0, clock=clock)
    # The fourth ends at 12: kept, not counted.
    assert [a.elapsed for a in run.attempts] == [3, 6, 9, 12]
    assert run.score == pytest.approx(1.0)
    assert [run.score_at(t) for t in (2, 3, 8, 9, 99)] == pytest.approx([0, 0.5, 0.5, 1, 1])


def test_an_agent_may_stop_early():
    run = run_agent(lambda history, left: None, pytest.fail, budget=1.0, start=2.0, reference=1.0)
    assert run.attempts == ()
    assert run.score == 0


def test_interrupt_keeps_what_was_handed_in():
    clock = Clock()
    agent, evaluate = scripted(clock, 1.0, [(1, True, 4.0)])

    def impatient(history, left):
        if history:
            raise KeyboardInterrupt
        return agent(history, left)

    run = run_agent(impatient, evaluate, budget=50.0, start=8.0, reference=2.0, clock=clock)
    assert len(run.attempts) == 1
    assert run.score == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("budget", "start", "reference", "message"),
    [(0.0, 2.0, 1.0, "budget"), (1.0, 1.0, 2.0, "faster"), (1.0, math.inf, 2.0, "faster")],
)
def test_runs_refuse(budget, start, reference, message):
    with pytest.raises(ValueError, match=message):
        run_agent(pytest.fail, pytest.fail, budget=budget, start=start, reference=reference)
