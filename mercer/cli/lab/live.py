"""What is going on, on stderr, while people wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


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


def say(text: str) -> None:
    """Print text on stdout as it is, without markup."""
    Console(highlight=False, soft_wrap=True).print(text, markup=False)
