"""Samples of a model's reasoning and kernels, judged, and kept as they come."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mercer import checks
from mercer.lab.candidate import Candidate
from mercer.lab.curate.store import TraceFile
from mercer.lab.curate.trace import ReasoningTrace, count_words, kernel_of
from mercer.lab.models.completion import Completion, Model, think_apart
from mercer.lab.problem import Problem
from mercer.lab.search.evaluation import Evaluation
from mercer.lab.search.prompt import LANGUAGES
from mercer.learn.progress import Progress

PROMPT = """\
Write a faster implementation of the PyTorch module below. {language}

Name your module ModelNew. Its constructor, the arguments and results of its forward and the names
of its parameters must be those of the reference{gradient}. Think first; then give the whole
program in one fenced block of Python.

```python
{reference}
```
"""

Evaluate = Callable[[Candidate], Evaluation]


def generate(
    problems: Iterable[Problem],
    model: Model,
    judge: Callable[[Problem], Evaluate],
    samples: int,
    *,
    path: str | Path,
    seed: int = 0,
    temperature: float = 1.0,
    maximum_tokens: int = 16384,
    prompt: Callable[[Problem], str] | None = None,
    kind: Callable[[Problem], str] | None = None,
    count: Callable[[str], int] = count_words,
    verbose: bool = True,
) -> list[ReasoningTrace]:
    """Sample a model on every problem and judge what it writes, going on where a file ends.

    Parameters
    ----------
    problems : iterable of Problem
    model : Model
        Its reasoning is kept apart from its answer.
    judge : callable
        Problem in, what evaluates its candidates out: `Evaluator` of `mercer.lab.evaluator`, say,
        with a pool. Used in a `with` block if it is made for one.
    samples : int
        Of each problem.
    path : str or Path
        The file of traces; those that it holds already are not made again. A kill or Ctrl-C loses
        the sample in flight.
    seed : int, optional
        Each sample has a seed of its own that follows from this one, the problem and the index.
    temperature, maximum_tokens : optional
        See `Model.complete`. A file of another model, seed or temperature is refused.
    prompt, kind : callable, optional
        Problem to its prompt (default: the reference and what to do with it, in Triton) and to its
        kind (default: its level).
    count : callable, optional
        Length of a text in tokens, where the model does not say it.
    verbose : bool, optional
        Whether to show progress.

    Returns
    -------
    list of ReasoningTrace
        All that the file holds.
    """
    checks.count("samples", samples)
    problems = list(problems)
    prompt = prompt or prompt_of
    kind = kind or (lambda problem: f"level {problem.level}")
    run = {"model": model.name, "seed": seed, "temperature": temperature}
    with TraceFile(path, run) as file, Progress(verbose, "sampling") as progress:
        done = file.done
        for number, problem in enumerate(problems):
            missing = [k for k in range(samples) if (problem.name, k) not in done]
            if not missing:
                continue
            with _entered(judge(problem)) as evaluate:
                text = prompt(problem)
                for k in missing:
                    completion = model.complete(
                        text,
                        seed=sample_seed(seed, problem.name, k),
                        temperature=temperature,
                        maximum_tokens=maximum_tokens,
                    )
                    made = _trace(completion, evaluate, count)
                    file.add(ReasoningTrace(problem.name, kind(problem), k, text, **made))
                    progress(
                        {
                            "iteration": number * samples + k + 1,
                            "of": len(problems) * samples,
                            "right": sum(t.right for t in file.traces),
                        }
                    )
    return file.traces


def prompt_of(problem: Problem, *, language: str = "triton") -> str:
    """Return what a model is asked."""
    if language not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}, got {language!r}")
    gradient = ", and so must its gradients be" if problem.differentiable else ""
    return PROMPT.format(
        language=LANGUAGES[language], gradient=gradient, reference=problem.source.strip()
    )


def sample_seed(seed: int, problem: str, index: int) -> int:
    """Return the seed of one sample: the same whichever samples were made before.

    Examples
    --------
    >>> sample_seed(0, "softmax", 1) == sample_seed(0, "softmax", 1) != sample_seed(0, "relu", 1)
    True
    """
    digest = hashlib.sha256(f"{seed}\n{problem}\n{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1  # endpoints take 31 bits


def _trace(
    completion: Completion, evaluate: Evaluate, count: Callable[[str], int]
) -> dict[str, Any]:
    thought, answer = completion.reasoning, completion.text
    if not thought:
        thought, answer = think_apart(answer)
    made: dict[str, Any] = {"reasoning": thought, "tokens": count(thought), "source": ""}
    if completion.tokens:  # of thought and answer together
        share = len(thought) / max(len(thought) + len(answer), 1)
        made["tokens"] = round(share * completion.tokens)
    candidate = kernel_of(answer)
    if candidate is None:
        reason = "the reply has no fenced block with a program"
        return {**made, "right": False, "speedup": 0.0, "reason": reason}
    found = evaluate(candidate)
    made["source"] = candidate.source
    if found.fitness is None:
        reason = found.verdict.reason or found.error
        return {**made, "right": False, "speedup": 0.0, "reason": reason}
    return {**made, "right": True, "speedup": math.exp(found.fitness)}


def _entered(judge: Any) -> contextlib.AbstractContextManager[Evaluate]:
    if hasattr(judge, "__enter__"):
        return judge
    return contextlib.nullcontext(judge)


def read_traces(path: str | Path) -> Sequence[ReasoningTrace]:
    """Read the traces of a file, whole lines only.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such file, or it holds something else.
    """
    return TraceFile(path).traces
