"""How hard tasks are, told by how long a model reasons about them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mercer.lab.curate.trace import ReasoningTrace

LEVELS = ("easy", "medium", "hard")


@dataclass(frozen=True)
class TaskDifficulty:
    """What a task's samples say about it.

    Parameters
    ----------
    problem, kind : str
    samples : int
    tokens : float
        Mean length of the reasoning: the difficulty.
    solved : float
        Share of right samples.
    level : {"easy", "medium", "hard"}
        The third of the tasks, by `tokens`, that it is in.
    """

    problem: str
    kind: str
    samples: int
    tokens: float
    solved: float
    level: str


@dataclass(frozen=True)
class Difficulty:
    """The tasks, easy ones first, and how well the length of reasoning orders them.

    Parameters
    ----------
    tasks : tuple of TaskDifficulty
    correlation : float
        Spearman's, of mean length and share of right samples: -1 if length tells all of it. NaN
        where either does not vary.
    p_value : float
        Of no correlation, two-sided.
    """

    tasks: tuple[TaskDifficulty, ...]
    correlation: float
    p_value: float


def difficulty(traces: Iterable[ReasoningTrace]) -> Difficulty:
    """Order tasks by the mean length of the reasoning, right and wrong samples alike.

    Raises
    ------
    ValueError
        For no trace.

    Examples
    --------
    >>> made = [
    ...     ReasoningTrace("a", "k", 0, "", "", 10, "x", True, 2.0),
    ...     ReasoningTrace("b", "k", 0, "", "", 30, "", False, 0.0),
    ... ]
    >>> [(t.problem, t.level) for t in difficulty(made).tasks]
    [('a', 'easy'), ('b', 'medium')]

    References
    ----------
    ConCuR: Conciseness Makes State-of-the-Art Kernel Generation,
    https://arxiv.org/abs/2510.07356
    """
    of_task: dict[str, list[ReasoningTrace]] = defaultdict(list)
    for trace in traces:
        of_task[trace.problem].append(trace)
    if not of_task:
        raise ValueError("difficulty needs at least one trace, got none")
    means = {name: float(np.mean([t.tokens for t in ts])) for name, ts in of_task.items()}
    names = sorted(of_task, key=lambda name: (means[name], name))
    tasks = tuple(
        TaskDifficulty(
            name,
            of_task[name][0].kind,
            len(of_task[name]),
            means[name],
            float(np.mean([t.right for t in of_task[name]])),
            LEVELS[3 * rank // len(names)],
        )
        for rank, name in enumerate(names)
    )
    tokens, solved = [t.tokens for t in tasks], [t.solved for t in tasks]
    if len(set(tokens)) < 2 or len(set(solved)) < 2:
        return Difficulty(tasks, math.nan, math.nan)
    found = stats.spearmanr(tokens, solved)
    return Difficulty(tasks, float(found.statistic), float(found.pvalue))
