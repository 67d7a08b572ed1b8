"""Runs of agents under a budget of time, and what a budget is best split into."""

from mercer.lab.budget.best_of import budget_splits, expected_best
from mercer.lab.budget.run import AgentRun, Attempt, run_agent
from mercer.lab.budget.score import normalised_score

__all__ = [
    "AgentRun",
    "Attempt",
    "budget_splits",
    "expected_best",
    "normalised_score",
    "run_agent",
]
