"""Selected traces as a data set for fine-tuning: chats in JSON lines and Parquet, and a card."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mercer.lab.curate.trace import ReasoningTrace
from mercer.learn.atomic import write_directory

SPLITS = ("train", "test")
FILES = (*(f"{s}.{e}" for s in SPLITS for e in ("jsonl", "parquet")), "README.md")
CARD = """\
---
pretty_name: {name}
license: {license}
task_categories: [text-generation]
tags: [code, compute-kernels, reasoning]
configs:
- config_name: default
  data_files:
  - split: train
    path: train.parquet
  - split: test
    path: test.parquet
---

# {name}

Problems in PyTorch, reasoning about how to compute them faster, and the kernels that came of it.
Every kernel computed what its problem's reference computes, and its time was measured beside it.

{table}

## Columns

| column | what it holds |
| --- | --- |
| `messages` | a chat of two turns: the prompt; reasoning between `<think>` marks and the kernel |
| `problem`, `kind` | the task and its kind |
| `tokens` | length of the reasoning |
| `speedup` | time of the baseline over that of the kernel |
| `language` | what the kernel is written in |

## How it was made

{origin}

Of each task, right kernels were selected by speed-up and by the length of the reasoning, and tasks
were balanced over kinds, after ConCuR (https://arxiv.org/abs/2510.07356). Train and test share no
task, and no prompt.
"""


def write_dataset(
    traces: Sequence[ReasoningTrace],
    folder: str | Path,
    *,
    name: str = "kernels",
    origin: str = "",
    license: str = "unknown",
    test: float = 0.1,
    seed: int = 0,
) -> dict[str, int]:
    """Write `train` and `test` as JSON lines and as Parquet, and a card, all of it or nothing.

    Parameters
    ----------
    traces : sequence of ReasoningTrace
        Such as `curate` selects; all of them right.
    folder : str or Path
        Made, or replaced if a data set is in it.
    name, origin, license : str, optional
        Of the card: its title, which model and judge the traces are from, the terms.
    test : float in [0, 1), optional
        Share of each kind's tasks that is held out, at least one of a kind that has two.
    seed : int, optional
        Of the division.

    Returns
    -------
    dict of str to int
        Traces in each part.

    Raises
    ------
    ValueError
        For no trace, one that is wrong, or a share that is none.
    FileExistsError
        If the folder holds other things.
    """
    import polars as pl

    if not traces:
        raise ValueError("a data set needs at least one trace, got none")
    for trace in traces:
        if not trace.right:
            raise ValueError(f"trace {trace.index} of {trace.problem} is wrong; curate() first")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or {p.name for p in folder.iterdir()} - {*FILES}):
        raise FileExistsError(f"{folder} holds something other than a data set; name a new folder")
    held_out = test_tasks(traces, test=test, seed=seed)
    parts = {
        "train": [_row(t) for t in traces if t.problem not in held_out],
        "test": [_row(t) for t in traces if t.problem in held_out],
    }
    files: dict[str, bytes] = {}
    for split, rows in parts.items():
        files[f"{split}.jsonl"] = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
        stream = io.BytesIO()
        pl.DataFrame(rows, schema=_schema()).write_parquet(stream)
        files[f"{split}.parquet"] = stream.getvalue()
    files["README.md"] = CARD.format(
        name=json.dumps(name)[1:-1], license=license, table=_table(parts), origin=origin
    ).encode()
    write_directory(folder, files)
    return {split: len(rows) for split, rows in parts.items()}


def test_tasks(traces: Sequence[ReasoningTrace], *, test: float, seed: int) -> set[str]:
    """Choose the tasks that are held out; tasks of one prompt go together."""
    if not 0 <= test < 1:
        raise ValueError(f"test must lie in [0, 1), got {test}")
    leader: dict[str, str] = {}

    def find(task: str) -> str:
        while leader.setdefault(task, task) != task:
            task = leader[task]
        return task

    owner: dict[str, str] = {}
    for trace in traces:
        leader[find(trace.problem)] = find(owner.setdefault(trace.prompt, trace.problem))
    kinds: dict[str, set[str]] = defaultdict(set)
    kind_of = {t.problem: t.kind for t in reversed(traces)}
    for task in list(leader):
        kinds[kind_of[find(task)]].add(find(task))
    generator = np.random.default_rng(seed)
    chosen: set[str] = set()
    for kind in sorted(kinds):
        groups = sorted(kinds[kind])
        count = 0 if test == 0 else min(max(1, round(test * len(groups))), len(groups) - 1)
        chosen |= {groups[k] for k in generator.permutation(len(groups))[:count]}
    return {task for task in leader if find(task) in chosen}


def _row(trace: ReasoningTrace) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": trace.prompt},
            {"role": "assistant", "content": trace.reply},
        ],
        "problem": trace.problem,
        "kind": trace.kind,
        "tokens": trace.tokens,
        "speedup": trace.speedup,
        "language": trace.language,
    }


def _schema() -> Any:
    import polars as pl

    message = pl.Struct({"role": pl.String, "content": pl.String})
    return {
        "messages": pl.List(message),
        "problem": pl.String,
        "kind": pl.String,
        "tokens": pl.Int64,
        "speedup": pl.Float64,
        "language": pl.String,
    }


def _table(parts: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        "| kind | split | tasks | traces | median tokens | median speed-up |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind in sorted({row["kind"] for rows in parts.values() for row in rows}):
        for split, rows in parts.items():
            of_kind = [row for row in rows if row["kind"] == kind]
            if of_kind:
                tasks = len({row["problem"] for row in of_kind})
                tokens, speed = (np.median([r[k] for r in of_kind]) for k in ("tokens", "speedup"))
                plain = " ".join(kind.replace("|", "/").split())
                lines.append(
                    f"| {plain} | {split} | {tasks} | {len(of_kind)} | {tokens:.0f} | {speed:.2f} |"
                )
    return "\n".join(lines)
