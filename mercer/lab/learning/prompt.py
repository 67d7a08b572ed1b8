"""What a policy is asked: a problem, and what became of its earlier answers."""

from __future__ import annotations

from dataclasses import dataclass

from mercer.lab.candidate import Candidate
from mercer.lab.learning.outcome import Outcome
from mercer.lab.problem import Problem

TASK = """Write a module `ModelNew` that computes the same as this reference, faster.
Constructor, `forward` and the parameters' names must be the reference's. The work must be done by
kernels of your own in {language}. Answer with one Python module in a fenced code block.

```python
{source}```
"""
AGAIN = """
Turn {turn} was:

```python
{source}```

{feedback}
Write a better one.
"""


@dataclass(frozen=True, eq=False)
class Answer:
    """One earlier turn.

    Parameters
    ----------
    candidate : Candidate or None
        None if no program came of what the policy said.
    outcome : Outcome
    """

    candidate: Candidate | None
    outcome: Outcome


@dataclass(frozen=True, eq=False)
class Prompt:
    """A problem and the turns so far.

    Parameters
    ----------
    problem : Problem
    language : str
        That is asked for.
    answers : tuple of Answer
    """

    problem: Problem
    language: str = "triton"
    answers: tuple[Answer, ...] = ()

    @property
    def text(self) -> str:
        """The prompt as a language model reads it."""
        parts = [TASK.format(language=self.language, source=self.problem.source)]
        for k, answer in enumerate(self.answers, 1):
            source = answer.candidate.source if answer.candidate else "# no program\n"
            parts.append(AGAIN.format(turn=k, source=source, feedback=answer.outcome.feedback))
        return "".join(parts)

    def after(self, candidate: Candidate | None, outcome: Outcome) -> Prompt:
        """Return the prompt of the next turn."""
        return Prompt(self.problem, self.language, (*self.answers, Answer(candidate, outcome)))
