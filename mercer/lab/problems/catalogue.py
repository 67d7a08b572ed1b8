"""All problems of the lab by name."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache

from mercer.lab.problem import Problem


def catalogue(level: int | None = None, *, tags: Iterable[str] = ()) -> dict[str, Problem]:
    """Return the lab's problems by name, level by level, in the order of their files.

    Parameters
    ----------
    level : {1, 2, 3}, optional
        Default: all.
    tags : iterable of str, optional
        All of these must be among a problem's own.

    Raises
    ------
    ValueError
        If there is no such level, or no problem has one of the tags.

    Examples
    --------
    >>> softmaxes = catalogue(1, tags=["softmax", "memory-bound"])
    >>> softmaxes["softmax"].summary
    'Exponentials of every row, divided by their sum.'
    """
    if level not in (None, 1, 2, 3):
        raise ValueError(f"level must be 1, 2 or 3, got {level!r}")
    wanted = frozenset([tags] if isinstance(tags, str) else tags)
    problems = _all()
    known = frozenset().union(*(p.tags for p in problems.values()))
    for tag in sorted(wanted - known):
        raise ValueError(f"no problem has the tag {tag!r}; there are {', '.join(sorted(known))}")
    return {
        name: p for name, p in problems.items() if level in (None, p.level) and wanted <= p.tags
    }


def find(name: str) -> Problem:
    """Return the problem of a name.

    Raises
    ------
    ValueError
        If there is none; the sentence names those that are spelt much like it.

    Examples
    --------
    >>> find("softmx")
    Traceback (most recent call last):
    ...
    ValueError: no problem is called 'softmx'; did you mean softmax, log_softmax, taylor_softmax?
    """
    problems = _all()
    if name in problems:
        return problems[name]
    close = difflib.get_close_matches(name, problems, n=3)
    close = close or [known for known in problems if name and name in known][:3]
    hint = f"did you mean {', '.join(close)}?" if close else "catalogue() lists them"
    raise ValueError(f"no problem is called {name!r}; {hint}")


@cache
def _all() -> dict[str, Problem]:
    problems: dict[str, Problem] = {}
    for level in ("level1", "level2", "level3"):
        package = importlib.import_module(f"mercer.lab.problems.{level}")
        for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda e: e.name):
            module = importlib.import_module(f"{package.__name__}.{entry.name}")
            for value in vars(module).values():
                if isinstance(value, Problem):
                    if value.name in problems:
                        raise ValueError(f"two problems are called {value.name}")
                    problems[value.name] = value
    return problems
