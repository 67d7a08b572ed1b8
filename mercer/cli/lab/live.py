"""What is going on, on stderr, while people wait."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TypeAlias

from rich.console import Console
from rich.markup import escape

Answer: TypeAlias = Callable[[Any], None]


@contextmanager
def waiting(title: str) -> Iterator[Callable[[str], None]]:
    """Show a line that changes, where stderr is a terminal; yield what changes it.

    Parameters
    ----------
    title : str
        What is going on.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda line: None
        return
    with console.status(escape(title)) as status:
        yield lambda line: status.update(escape(f"{title}: {line}"))


@contextmanager
def aside() -> Iterator[None]:
    """Send what a program writes to stdout, in Python or below it, to stderr."""
    _flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        os.dup2(stdout, 1)
        os.close(stdout)


@contextmanager
def answering(as_json: bool) -> Iterator[Answer | None]:
    """Yield what takes a command's JSON, printed at its end; None where people read the answer.

    With JSON, nothing else that runs inside writes to stdout: neither a user's file nor what it
    calls.
    """
    if not as_json:
        yield None
        return
    answers: list[Any] = []
    try:
        with aside():
            yield answers.append
    finally:
        for answer in answers:
            print(json.dumps(answer))


def _flush() -> None:
    sys.stdout.flush()
    if os.name != "nt":
        ctypes.CDLL(None).fflush(None)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it must be.

    Examples
    --------
    >>> counted(1, "candidate"), counted(0, "candidate")
    ('1 candidate', '0 candidates')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def say(text: str) -> None:
    """Print text on stdout as it is, without markup."""
    Console(highlight=False, soft_wrap=True).print(text, markup=False)
