"""Checks side by side, then races one at a time, each result kept as soon as it is there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from mercer.lab.leaderboard.journal import Journal
from mercer.learn.progress import Progress

Record = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A candidate to be checked and, if it is right, timed.

    Parameters
    ----------
    check_key : str
        What the check's result is found by.
    check : callable
        Run in a thread beside other checks; returns what JSON carries, with a boolean `right`.
    race_key : str, optional
        What the race's result is found by.
    race : callable, optional
        Run alone after all checks, if the candidate is right.
    """

    check_key: str
    check: Callable[[], Record]
    race_key: str = ""
    race: Callable[[], Record] | None = None


def key_of(part: str, name: str, digest: str, **settings: Any) -> str:
    """Return a key in which part, problem, candidate and all that the result depends on differ."""
    told = hashlib.sha256(repr(sorted(settings.items())).encode()).hexdigest()
    return f"{part} {name} {digest[:16]} {told[:8]}"


def work_off(
    tasks: Sequence[Task], journal: Journal, *, workers: int, progress: bool, title: str
) -> list[tuple[Record, Record]]:
    """Return for each task the results of its check and of its race, {} if there was none.

    What the journal has is not done again.

    Parameters
    ----------
    tasks : sequence of Task
    journal : Journal
    workers : int
        Checks at a time; races are alone on the machine.
    progress : bool
    title : str
        Of the progress.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    with Progress(progress, f"{title}: checks") as show:
        _check(tasks, journal, workers, show)
    racing = [t for t in tasks if t.race and journal[t.check_key]["right"]]
    with Progress(progress, f"{title}: races") as show:
        for done, task in enumerate(racing, 1):
            if task.race is not None and task.race_key not in journal:
                journal[task.race_key] = task.race()
            show({"iteration": done, "of": len(racing)})
    raced = {t.race_key for t in racing}
    return [
        (journal[t.check_key], journal[t.race_key] if t.race_key in raced else {}) for t in tasks
    ]


def _check(tasks: Sequence[Task], journal: Journal, workers: int, show: Progress) -> None:
    every = {t.check_key: t for t in tasks}  # the same candidate once
    waiting = [t for key, t in every.items() if key not in journal]
    done, right = len(every) - len(waiting), 0
    threads = ThreadPoolExecutor(workers, thread_name_prefix="check")
    try:
        running = {threads.submit(task.check): task for task in waiting}
        for future in as_completed(running):
            journal[running[future].check_key] = future.result()
            done, right = done + 1, right + bool(future.result()["right"])
            show({"iteration": done, "of": len(every), "right": right})
    finally:
        threads.shutdown(cancel_futures=True)
