"""Generation, selection, difficulty and data sets, against brute force and known statistics."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import yaml
from small_problems import Gelu, Logsumexp, RowSum, Softmax

from mercer.lab.curate import (
    ReasoningTrace,
    TraceFile,
    curate,
    difficulty,
    generate,
    prompt_of,
    read_traces,
    write_dataset,
)
from mercer.lab.curate.selection import even_counts
from mercer.lab.curate.trace import kernel_of
from mercer.lab.models import Completion
from mercer.lab.models.completion import think_apart
from mercer.lab.search import Evaluation


def trace(problem="t", kind="k", index=0, tokens=10, speedup=2.0, source=None, prompt=None):
    source = f"# {problem} {index}" if source is None else source
    prompt = f"write {problem}" if prompt is None else prompt
    right = speedup > 0
    return ReasoningTrace(
        problem, kind, index, prompt, "thought " * tokens, tokens, source, right, speedup,
        "" if right else "wrong",
    )  # fmt: skip


def made(seed, tasks=5, samples=7):
    rng = np.random.default_rng(seed)
    return [
        trace(
            f"t{t}",
            "abc"[t % 3],
            k,
            int(rng.integers(1, 6)),
            float(rng.choice([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])),
            f"# {rng.integers(5)}",
        )
        for t in range(tasks)
        for k in range(samples)
    ]


def chosen_of_task(traces, speedup, concise, per_task):
    """The docstring, word by word: subsets tried one after the other."""
    good = [t for t in traces if t.right and t.speedup >= speedup]
    kernels = {t.source for t in good}
    good = [min((t for t in good if t.source == s), key=lambda t: (t.tokens, t.index))
            for s in kernels]  # fmt: skip
    if not good:
        return []
    # The shortest traces that make up the share, with all ties of the longest of them.
    need = math.ceil(concise * len(good))
    length = min(n for n in {t.tokens for t in good} if sum(t.tokens <= n for t in good) >= need)
    short = [t for t in good if t.tokens <= length]
    size = min(per_task, len(short))

    def worth(subset):
        return sorted((-t.speedup, t.tokens, t.index) for t in subset)

    return sorted(min(itertools.combinations(short, size), key=worth),
                  key=lambda t: (-t.speedup, t.tokens, t.index))  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("concise", "per_task"), [(0.5, 1), (0.3, 2), (1.0, 3)])
def test_selection_is_that_of_brute_force(seed, concise, per_task):
    traces = made(seed)
    found = curate(traces, speedup=1.0, concise=concise, per_task=per_task)
    wanted = [
        t
        for k in range(5)
        for t in chosen_of_task([u for u in traces if u.problem == f"t{k}"], 1.0, concise, per_task)
    ]
    assert len(found) == len(wanted)
    assert set(map(id, found)) <= set(map(id, traces))
    assert {(t.problem, t.index) for t in found} == {(t.problem, t.index) for t in wanted}
    assert [t.kind for t in found] == sorted(t.kind for t in found)


@pytest.mark.parametrize("available", [(3, 1, 4), (5, 0, 2), (1, 1, 1), (4, 4, 1)])
def test_kinds_are_as_even_as_can_be(available):
    """Max-min fairness: the sorted counts are the largest in lexicographic order."""
    for total in range(1, sum(available) + 3):
        counts = even_counts(dict(enumerate(available)), total)
        size = min(total, sum(available))
        ways = [w for w in itertools.product(*(range(a + 1) for a in available)) if sum(w) == size]
        assert sorted(counts.values()) == max(sorted(w) for w in ways)
        assert tuple(counts.values()) in ways


def test_a_total_keeps_the_best_of_each_kind():
    traces = [trace(f"{kind}{k}", kind, 0, 5, 1.0 + k) for kind in "ab" for k in range(4)]
    found = curate([*traces, trace("c0", "c", 0, 5, 1.5)], total=5)
    assert [(t.problem, t.speedup) for t in found] == [
        ("a3", 4.0), ("a2", 3.0), ("b3", 4.0), ("b2", 3.0), ("c0", 1.5),
    ]  # fmt: skip


def test_wrong_and_slow_traces_are_never_selected():
    traces = [trace(index=0, tokens=1, speedup=0.0), trace(index=1, tokens=2, speedup=0.9)]
    assert curate(traces) == []
    assert [t.index for t in curate(traces, speedup=0.5)] == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concise": 0.0}, "concise must lie"),
        ({"concise": 1.5}, "concise must lie"),
        ({"speedup": -1.0}, "speedup must be finite"),
        ({"per_task": 0}, "per_task"),
        ({"total": 0}, "total"),
    ],
)
def test_selection_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        curate([trace()], **options)


def test_difficulty_is_that_of_pandas():
    rng = np.random.default_rng(3)
    traces = []
    for task in range(12):
        for k in range(9):
            right = rng.random() < 1 - task / 14
            tokens = int(rng.lognormal(3 + 0.1 * task + 0.4 * (not right), 0.3))
            traces.append(trace(f"t{task:02}", "k", k, tokens, 2.0 if right else 0.0))
    found = difficulty(traces)
    frame = pd.DataFrame([t.json() for t in traces])
    by_task = frame.groupby("problem").agg({"tokens": "mean", "right": "mean"})
    rank = by_task.rank()
    assert found.correlation == pytest.approx(rank["tokens"].corr(rank["right"]))
    assert found.correlation < -0.4
    ordered = by_task.sort_values("tokens")
    assert [t.problem for t in found.tasks] == list(ordered.index)
    assert [t.tokens for t in found.tasks] == pytest.approx(list(ordered["tokens"]))
    assert [t.solved for t in found.tasks] == pytest.approx(list(ordered["right"]))
    assert [t.level for t in found.tasks] == ["easy"] * 4 + ["medium"] * 4 + ["hard"] * 4


def test_difficulty_without_variation_has_no_correlation():
    assert math.isnan(difficulty([trace("a"), trace("b", tokens=99)]).correlation)
    with pytest.raises(ValueError, match="at least one trace"):
        difficulty([])


def test_replies_are_taken_apart():
    text = "```\nfirst\n```\nor\n```python\nsecond\n```\n"
    assert kernel_of(text).source == "second"
    assert kernel_of("nothing") is None
    again, rest = think_apart(trace(tokens=2).reply)
    assert (again, kernel_of(rest).source) == ("thought thought", "# t 0")


class Scripted:
    """Right with a probability, of a length that is longer when it is wrong; by the seed alone."""

    def __init__(self, fail_after=None, name="scripted"):
        self.asked, self.fail_after, self.name = [], fail_after, name

    def complete(self, prompt, *, seed, temperature, maximum_tokens):
        if self.fail_after is not None and len(self.asked) == self.fail_after:
            raise ConnectionError("gone")
        self.asked.append((prompt, seed))
        rng = np.random.default_rng(seed)
        right = rng.random() < 0.7
        words = int(rng.poisson(20 if right else 60))
        kernel = f"class ModelNew: ...  # {'good' if right else 'bad'} {rng.integers(10**6)}"
        return Completion(f"<think>{'hm ' * words}</think>\n```python\n{kernel}\n```")


def judge(problem):
    def evaluate(candidate):
        right = "good" in candidate.source
        verdict = SimpleNamespace(right=right, stage="value", reason="" if right else "wrong sums")
        return Evaluation(verdict, *((2.0, 3.0) if right else ()))

    return evaluate


def test_generation_has_the_models_statistics(tmp_path):
    traces = generate(
        [Softmax, RowSum], Scripted(), judge, 200, path=tmp_path / "t.jsonl", verbose=False
    )
    assert len(traces) == 400
    right = [t for t in traces if t.right]
    wrong = [t for t in traces if not t.right]
    assert abs(len(right) / 400 - 0.7) < 4 * math.sqrt(0.21 / 400)
    assert abs(np.mean([t.tokens for t in right]) - 20) < 4 * math.sqrt(20 / len(right))
    assert abs(np.mean([t.tokens for t in wrong]) - 60) < 4 * math.sqrt(60 / len(wrong))
    assert [t.speedup for t in right] == pytest.approx([1.5] * len(right))
    assert {t.reason for t in wrong} == {"wrong sums"}


def test_generation_goes_on_where_it_stopped(tmp_path):
    problems = [Softmax, RowSum, Gelu]
    whole = generate(problems, Scripted(), judge, 5, path=tmp_path / "a.jsonl", verbose=False)
    path = tmp_path / "b.jsonl"
    with pytest.raises(ConnectionError):
        generate(problems, Scripted(fail_after=7), judge, 5, path=path, verbose=False)
    path.write_bytes(path.read_bytes()[:-20])  # a kill in the middle of a line
    rest = Scripted()
    again = generate(problems, rest, judge, 5, path=path, verbose=False)
    assert len(rest.asked) == 15 - 6
    assert again == whole == read_traces(path)
    assert path.read_bytes() == (tmp_path / "a.jsonl").read_bytes()


def test_a_file_of_another_run_is_refused(tmp_path):
    path = tmp_path / "t.jsonl"
    generate([Softmax], Scripted(), judge, 1, path=path, verbose=False)
    with pytest.raises(ValueError, match="name another path"):
        generate([Softmax], Scripted(), judge, 1, path=path, seed=1, verbose=False)
    with pytest.raises(ValueError, match="name another path"):
        generate([Softmax], Scripted(name="b"), judge, 1, path=path, verbose=False)
    other = tmp_path / "other.jsonl"
    other.write_text('{"a": 1}\n')
    with pytest.raises(ValueError, match="not a file of traces"):
        TraceFile(other)
    text = tmp_path / "notes.txt"
    text.write_text("important")
    with pytest.raises(ValueError, match="holds no traces"):
        generate([Softmax], Scripted(), judge, 1, path=text, verbose=False)
    assert text.read_text() == "important"


def test_a_kill_keeps_all_whole_samples(tmp_path):
    path = tmp_path / "t.jsonl"
    child = os.fork()
    if not child:
        try:
            generate([Softmax], Scripted(), judge, 10**6, path=path, verbose=False)
        finally:
            os._exit(1)
    deadline = time.monotonic() + 120
    while not (path.exists() and path.read_bytes().count(b"\n") > 20):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    traces = read_traces(path)
    assert [t.index for t in traces] == list(range(len(traces)))
    assert len(traces) >= 20


def test_what_the_model_says_of_its_reasoning_counts(tmp_path):
    class Judge:
        """For one problem, and closed after it."""

        closed = 0

        def __enter__(self):
            return judge(None)

        def __exit__(self, *error):
            Judge.closed += 1

    class Quiet:
        name = "quiet"

        def complete(self, prompt, **options):
            return Completion("```python\ngood = 1\n```", "q" * 66, 88)  # a quarter is the answer

    path = tmp_path / "t.jsonl"
    (first, second) = generate(
        [Gelu, Logsumexp], Quiet(), lambda p: Judge(), 1, path=path, verbose=False,
        prompt=lambda p: p.name, kind=lambda p: p.name[0],
    )  # fmt: skip
    assert (first.reasoning, first.tokens) == ("q" * 66, 66)
    assert (first.prompt, first.kind) == ("gelu", "g")
    assert (second.problem, Judge.closed) == ("logsumexp", 2)


def test_the_prompt_has_the_reference():
    text = prompt_of(Gelu, language="cpp")
    assert "F.gelu(x)" in text
    assert "C++" in text
    assert "gradients" in text
    with pytest.raises(ValueError, match="language must be one of"):
        prompt_of(Gelu, language="basic")


def test_a_data_set_can_be_read_by_others_and_leaks_nothing(tmp_path):
    traces = [
        trace(f"{kind}{k}", kind, i, 10 + k, 1.0 + i, prompt=f"{kind} {k // 2}")
        for kind in ("x|y", "z")
        for k in range(10)
        for i in range(2)
    ]
    counts = write_dataset(traces, tmp_path / "set", name='A "set"', test=0.3, seed=1)
    # Tasks of one prompt are a pair; two of the five pairs of each kind are held out.
    assert counts == {"train": 24, "test": 16}
    frames = {s: pl.read_parquet(tmp_path / "set" / f"{s}.parquet") for s in counts}
    for split, frame in frames.items():
        lines = (tmp_path / "set" / f"{split}.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in lines] == frame.to_dicts()
        assert set(frame["kind"]) == {"x|y", "z"}
        first = frame["messages"][0]
        assert [m["role"] for m in first] == ["user", "assistant"]
        assert first[1]["content"].startswith("<think>\nthought")
    assert not set(frames["train"]["problem"]) & set(frames["test"]["problem"])
    prompts = [{m[0]["content"] for m in f["messages"]} for f in frames.values()]
    assert not prompts[0] & prompts[1]
    card = (tmp_path / "set" / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["configs"][0]["data_files"][1] == {"split": "test", "path": "test.parquet"}
    assert "| x/y | test | 4 | 8 | " in card


def test_a_data_set_replaces_only_data_sets(tmp_path):
    traces = [trace(f"t{k}") for k in range(4)]
    write_dataset(traces, tmp_path / "set", test=0.25)
    assert write_dataset(traces[:3], tmp_path / "set", test=0.0) == {"train": 3, "test": 0}
    assert pl.read_parquet(tmp_path / "set" / "test.parquet").height == 0
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years")
    with pytest.raises(FileExistsError, match="other than a data set"):
        write_dataset(traces, tmp_path / "home")
    with pytest.raises(ValueError, match="is wrong"):
        write_dataset([trace(speedup=0.0)], tmp_path / "wrong")
    with pytest.raises(ValueError, match="at least one trace"):
        write_dataset([], tmp_path / "none")


@pytest.mark.parametrize(
    ("tokens", "speedup", "right"),
    [(-1, 1.0, True), (1, 0.0, True), (1, 2.0, False), (1, math.nan, True)],
)
def test_traces_refuse_nonsense(tokens, speedup, right):
    with pytest.raises(ValueError, match=r"tokens|speedup"):
        ReasoningTrace("t", "k", 0, "", "", tokens, "x", right, speedup)


@pytest.mark.parametrize("seed", range(4))
def test_tasks_that_share_a_prompt_are_one_where_a_data_set_is_divided(tmp_path, seed):
    made = [
        ReasoningTrace(name, "k", 0, prompt, "why", 1, f"# {name}", True, 2.0)
        for name, prompt in (("a", "p"), ("b", "p"), ("c", "q"), ("d", "q"))
    ]
    assert write_dataset(made, tmp_path / "set", test=0.5, seed=seed) == {"train": 2, "test": 2}
