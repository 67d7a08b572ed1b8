"""Sets of candidates over sets of problems: checked in parallel, timed alone, resumable."""

from mercer.lab.leaderboard.journal import Journal
from mercer.lab.leaderboard.report import SuiteReport, SuiteRow
from mercer.lab.leaderboard.suite import evaluate_suite

__all__ = ["Journal", "SuiteReport", "SuiteRow", "evaluate_suite"]
