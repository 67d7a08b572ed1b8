"""Policies that learn to write kernels: advantages, rewards, environment, training."""

from typing import Any

from mercer.lab.learning.advantages import (
    ADVANTAGES,
    centred,
    group_relative,
    leave_one_out,
    reward_to_go,
    self_inclusion,
)
from mercer.lab.learning.coverage import coverage, kernel_names, kernel_times
from mercer.lab.learning.enumeration import Moments, Tree
from mercer.lab.learning.mismatch import REJECTION, Mismatch
from mercer.lab.learning.outcome import Outcome
from mercer.lab.learning.rejection import ProfilingRejection
from mercer.lab.learning.rewards import Reward
from mercer.lab.learning.rule import KernelRule

# Workers import this package and must not come by the problems: the judge's part loads on use.
JUDGES = {
    "Environment": "environment",
    "Examination": "examination",
    "LanguagePolicy": "policy",
    "Immediate": "immediate",
    "Ledger": "ledger",
    "LocalWorkers": "workers",
    "Policy": "policy",
    "Prompt": "prompt",
    "RayWorkers": "ray_workers",
    "Recipe": "recipe",
    "ScheduleGrammar": "policy",
    "SchedulePolicy": "policy",
    "Station": "station",
    "Trainer": "trainer",
    "Turn": "trajectory",
    "Workers": "workers",
}

__all__ = [
    "ADVANTAGES",
    "REJECTION",
    "KernelRule",
    "Mismatch",
    "Moments",
    "Outcome",
    "ProfilingRejection",
    "Reward",
    "Tree",
    "centred",
    "coverage",
    "group_relative",
    "kernel_names",
    "kernel_times",
    "leave_one_out",
    "reward_to_go",
    "self_inclusion",
]
__all__ += JUDGES


def __getattr__(name: str) -> Any:
    if name not in JUDGES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{JUDGES[name]}"), name)
