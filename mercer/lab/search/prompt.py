"""The prompt that asks for the next candidate."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mercer.lab.problem import Problem
from mercer.lab.search.entry import Entry
from mercer.lab.search.policy import ranked
from mercer.lab.search.retrieval import Note
from mercer.lab.search.structure import structure

RULES = """Answer with one Python module in a ```python block. It defines
`class ModelNew(nn.Module)` with the constructor, the `forward` and the parameters' names of the
reference. It must be right for every size above, for inputs of any layout, and must not change its
inputs. The time of one call counts. Compute everything in every call: nothing may be kept from one
call for the next."""
LANGUAGES = {
    "triton": "Write the kernels in Triton.",
    "cuda": "Write the kernels in CUDA C++ and compile them with `mercer.lab.native.build`.",
    "cpp": "Write the kernels in C++ and compile them with `mercer.lab.native.build`.",
    "torch": "Use PyTorch's operators.",
}
FAILURES, BEST = 3, 3


def synthesise(
    problem: Problem,
    parents: Sequence[Entry],
    notes: Sequence[Note],
    history: Sequence[Entry],
    *,
    language: str,
) -> str:
    """Write the prompt for the next candidate.

    Parameters
    ----------
    problem : Problem
    parents : sequence of Entry
        What the candidate should be better than.
    notes : sequence of Note
        What is known that may help.
    history : sequence of Entry
        All candidates so far: the fastest and the latest failures are shown.
    language : {"torch", "triton", "cuda", "cpp"}
    """
    sizes = ", ".join(f"{name} {size}" for name, size in problem.sizes.items())
    parts = [
        f"# {problem.name}\n{problem.summary}\n\nSizes: {sizes}.",
        f"## Reference\n```python\n{problem.source}```",
        f"## Task\n{RULES}\n{LANGUAGES[language]}",
    ]
    if notes:
        parts.append("## Notes\n" + "\n\n".join(note.text.strip() for note in notes))
    parts += [_shown("Parent", parent) for parent in parents]
    others = [e for e in ranked(history) if e.digest not in {p.digest for p in parents}][:BEST]
    if others:
        lines = [f"- candidate {e.number}: {e.speedup:.3f}x, {_choice(e)}" for e in others]
        parts.append("## Others\n" + "\n".join(lines))
    failed = [e for e in history if e.failure][-FAILURES:]
    if failed:
        lines = [f"- candidate {e.number}, {e.failure}: {e.reason or e.error}" for e in failed]
        parts.append("## Failures\n" + "\n".join(lines))
    state = {
        "number": len(history),
        "parents": [
            {"digest": p.digest, "schedule": p.schedule, "speedup": p.speedup} for p in parents
        ],
    }
    parts.append(f"## State\n```json\n{json.dumps(state)}\n```")
    return "\n\n".join(parts) + "\n"


def question(problem: Problem, parents: Sequence[Entry], history: Sequence[Entry]) -> str:
    """Return what to look up notes by: the problem, its kind, the language, the last failure."""
    failed = [f"{e.failure} {e.reason} {e.error}" for e in history if e.failure][-1:]
    used = [p.language for p in parents]
    words = [
        problem.name,
        problem.summary,
        *sorted(problem.tags),
        *structure(problem),
        *used,
        *failed,
    ]
    return " ".join(words).strip()


def _shown(title: str, entry: Entry) -> str:
    if entry.speedup is not None:
        what = f"{entry.speedup:.3f} times as fast as the baseline ({entry.seconds:.3g} s a call)"
    else:
        what = f"failed ({entry.failure}): {entry.reason or entry.error}"
    return f"## {title}: candidate {entry.number}, {what}\n```python\n{entry.source}```"


def _choice(entry: Entry) -> str:
    return entry.schedule[:200] if entry.schedule else entry.language
