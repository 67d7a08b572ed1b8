"""What an error says, in one line."""

from __future__ import annotations


def in_brief(error: BaseException) -> str:
    """Return an error's name and the first line of what it says.

    Examples
    --------
    >>> in_brief(ValueError("too long, got:\\n1, 2")), in_brief(SystemExit())
    ('ValueError: too long, got:', 'SystemExit')
    """
    return f"{type(error).__name__}: {error}".split("\n")[0].removesuffix(": ")
