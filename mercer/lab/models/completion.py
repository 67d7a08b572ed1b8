"""What a language model is to the lab: text in, text out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Completion:
    """What a model answered.

    Parameters
    ----------
    text : str
        The answer.
    reasoning : str
        What it thought before, where that is told apart from the answer.
    tokens : int
        Tokens that it generated, thoughts included.
    """

    text: str
    reasoning: str = ""
    tokens: int = 0


@runtime_checkable
class Model(Protocol):
    """Anything that continues a prompt."""

    @property
    def name(self) -> str:
        """What the database calls it."""
        ...

    def complete(
        self,
        prompt: str,
        *,
        seed: int = 0,
        temperature: float = 0.7,
        maximum_tokens: int = 8192,
    ) -> Completion:
        """Answer a prompt.

        Parameters
        ----------
        prompt : str
        seed : int
            Of the sampling; a model that takes none says so in its own documentation.
        temperature : float
            Of the sampling, at least 0; 0 always takes the likeliest token.
        maximum_tokens : int
            Where the answer is cut off.
        """
        ...


def think_apart(text: str) -> tuple[str, str]:
    """Split an answer that holds its thoughts between ``<think>`` tags.

    Returns
    -------
    reasoning, answer : str

    Examples
    --------
    >>> think_apart("<think>two passes?</think>One pass.")
    ('two passes?', 'One pass.')
    """
    head, tag, tail = text.partition("</think>")
    if not tag:
        return "", text
    return head.replace("<think>", "", 1).strip(), tail.strip()
