"""What the person at the keyboard can put right."""

from __future__ import annotations


class BadInput(ValueError):
    """Input that cannot be used; the message is one sentence that says what would do.

    The command line prints it on stderr and exits with code 2.
    """
