"""One reply of a model to a problem, judged."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import Any

from mercer.lab.candidate import Candidate, language_of

BLOCK = re.compile(r"```[a-zA-Z+]*[ \t]*\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class ReasoningTrace:
    """A prompt, the reasoning that followed, the kernel at its end, and what the judge found.

    Parameters
    ----------
    problem : str
        The task's name.
    kind : str
        Of the task: data sets are balanced over kinds.
    index : int
        Which of the task's samples.
    prompt, reasoning : str
    tokens : int
        Length of the reasoning.
    source : str
        The kernel's text; empty if the reply had none.
    right : bool
    speedup : float
        Seconds of the baseline over those of the kernel; 0 if it is wrong.
    reason : str
        Why it is wrong; empty if it is right.

    Examples
    --------
    >>> ReasoningTrace("softmax", "level 1", 0, "Write", "Hm.", 2, "class ...", True, 1.5).language
    'torch'
    """

    problem: str
    kind: str
    index: int
    prompt: str
    reasoning: str
    tokens: int
    source: str
    right: bool
    speedup: float
    reason: str = ""

    def __post_init__(self) -> None:
        if self.tokens < 0:
            raise ValueError(f"tokens must be at least 0, got {self.tokens}")
        if not (0 <= self.speedup < math.inf and (self.speedup > 0) == self.right):
            raise ValueError(
                f"speedup must be positive and finite of a right kernel and 0 of a wrong one, "
                f"got {self.speedup}"
            )

    @property
    def language(self) -> str:
        """What the kernel is written in; empty if there is none."""
        return language_of(self.source) if self.source else ""

    @property
    def reply(self) -> str:
        """Reasoning and kernel as a model would write them."""
        thought, kernel = self.reasoning.strip(), self.source.strip()
        return f"<think>\n{thought}\n</think>\n\n```python\n{kernel}\n```"

    def json(self) -> dict[str, Any]:
        """Return what JSON carries."""
        return asdict(self)


def kernel_of(answer: str) -> Candidate | None:
    """Return the candidate in the last fenced block of an answer, or None.

    Examples
    --------
    >>> kernel_of("Here:\\n```python\\nclass ModelNew: ...\\n```").language
    'torch'
    """
    blocks = [b.strip() for b in BLOCK.findall(answer) if b.strip()]
    return Candidate(blocks[-1], language_of(blocks[-1])) if blocks else None


def count_words(text: str) -> int:
    """Count words, numbers and signs: a tokenizer's count where there is no tokenizer.

    Examples
    --------
    >>> count_words("x = 2 * row")
    5
    """
    return len(re.findall(r"\w+|[^\w\s]", text))
