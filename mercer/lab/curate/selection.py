"""Which traces a model should learn from: right, concise, fast, and of all kinds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from mercer import checks
from mercer.lab.curate.trace import ReasoningTrace


def curate(
    traces: Iterable[ReasoningTrace],
    *,
    speedup: float = 1.0,
    concise: float = 0.5,
    per_task: int = 1,
    total: int | None = None,
) -> list[ReasoningTrace]:
    """Select traces by speed and conciseness, task by task, then balance the kinds of tasks.

    Of a task's right traces at `speedup` or above, the share `concise` with the shortest reasoning
    remains (ties in length remain too), and of these the `per_task` fastest, shorter ones first
    where they are as fast. Repeated kernels of a task count once, with the shortest reasoning.

    Parameters
    ----------
    traces : iterable of ReasoningTrace
    speedup : float, optional
        Least speed-up over the baseline.
    concise : float in (0, 1], optional
        1 turns the criterion off.
    per_task : int, optional
        Most traces of one task.
    total : int, optional
        Most traces altogether, as evenly over kinds as these allow. Default: all.

    Returns
    -------
    list of ReasoningTrace
        Kinds in alphabetical order; of each every task's best trace, fastest tasks first, then
        every task's second.

    Examples
    --------
    >>> def trace(index, tokens, speedup):
    ...     kernel = f"# {index}"
    ...     return ReasoningTrace("t", "k", index, "", "", tokens, kernel, True, speedup)
    >>> made = [trace(0, 900, 3.0), trace(1, 100, 2.0), trace(2, 150, 2.5), trace(3, 50, 0.5)]
    >>> [t.index for t in curate(made)]
    [2]

    References
    ----------
    ConCuR: Conciseness Makes State-of-the-Art Kernel Generation,
    https://arxiv.org/abs/2510.07356
    """
    if not 0 < concise <= 1:
        raise ValueError(f"concise must lie in (0, 1], got {concise}")
    if not 0 <= speedup < math.inf:
        raise ValueError(f"speedup must be finite and at least 0, got {speedup}")
    checks.count("per_task", per_task)
    tasks: dict[str, list[ReasoningTrace]] = defaultdict(list)
    for trace in traces:
        if trace.right and trace.speedup >= speedup:
            tasks[trace.problem].append(trace)
    kinds: dict[str, list[list[ReasoningTrace]]] = defaultdict(list)
    for of_task in tasks.values():
        chosen = _of_task(of_task, concise, per_task)
        kinds[chosen[0].kind].append(chosen)
    ordered = {kind: _in_turn(kinds[kind]) for kind in sorted(kinds)}
    counts = {kind: len(of_kind) for kind, of_kind in ordered.items()}
    if total is not None:
        checks.count("total", total)
        counts = even_counts(counts, total)
    return [t for kind, of_kind in ordered.items() for t in of_kind[: counts[kind]]]


def even_counts(available: Mapping[str, int], total: int) -> dict[str, int]:
    """Divide `total` over kinds as evenly as what is available allows.

    What a small kind cannot take goes to the others; what is left over at the end, to the first.

    Examples
    --------
    >>> even_counts({"a": 9, "b": 2, "c": 9}, 11)
    {'a': 5, 'b': 2, 'c': 4}
    """
    counts = dict.fromkeys(available, 0)
    left = min(total, sum(available.values()))
    while left:
        open_kinds = [k for k in counts if counts[k] < available[k]]
        step = max(1, min(left // len(open_kinds), *(available[k] - counts[k] for k in open_kinds)))
        for kind in open_kinds[:left]:
            counts[kind] += step
            left -= step
    return counts


def _of_task(
    traces: Sequence[ReasoningTrace], concise: float, per_task: int
) -> list[ReasoningTrace]:
    shortest: dict[str, ReasoningTrace] = {}
    for trace in sorted(traces, key=lambda t: (t.tokens, t.index)):
        shortest.setdefault(trace.source, trace)
    by_length = list(shortest.values())
    limit = by_length[math.ceil(concise * len(by_length)) - 1].tokens
    short = [t for t in by_length if t.tokens <= limit]
    return sorted(short, key=lambda t: (-t.speedup, t.tokens, t.index))[:per_task]


def _in_turn(tasks: Sequence[list[ReasoningTrace]]) -> list[ReasoningTrace]:
    """Every task's first, fastest first, then every task's second."""
    ranked = [(rank, -t.speedup, t.problem, t) for task in tasks for rank, t in enumerate(task)]
    return [entry[-1] for entry in sorted(ranked, key=lambda entry: entry[:-1])]
