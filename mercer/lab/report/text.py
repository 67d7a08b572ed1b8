"""Text that somebody else wrote, made fit to be shown."""

from __future__ import annotations


def visible(text: str) -> str:
    """Return a text whose every character can be seen; the others are spelt out.

    Controls, marks that reverse the reading direction and lone surrogates could hide what a program
    says; line breaks and tabs stay.

    Examples
    --------
    >>> visible("a\\x00b" + chr(0x202E) + "c")
    'a\\\\x00b\\\\u202ec'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _spelt(c) for c in text)


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
